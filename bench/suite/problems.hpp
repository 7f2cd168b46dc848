// The problems that are solved on more than one library: what is asked, the plain parts of the work, the warm-up, the clock and the check.
// `make(threads)` gives the solver.
#pragma once

#include "suite.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <new>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

namespace suite {

// --- fib N [THREADS] -----------------------------------------------------------------------------

inline std::size_t plain_fib(std::size_t n)
{
    std::size_t a = 0;
    for (std::size_t b = 1; n > 0; --n)
        a = std::exchange(b, a + b);
    return a;
}

template <class Make>
int fib_main(int argc, char** argv, Make make)
{
    if (argc < 2) {
        std::puts("usage: fib N [THREADS]");
        return 2;
    }
    const std::size_t n = argument(argc, argv, 1, 0);
    auto solve = make(threads(argc, argv, 2));
    expect(solve(30), plain_fib(30), "fib(30)"); // warm-up
    std::size_t result = 0;
    const auto us = timed([&] { result = solve(n); });
    expect(result, plain_fib(n), "fib");
    std::printf("output: %zu\n", result);
    report("iteration_count: 1", us);
    return 0;
}

// --- skynet [THREADS] [DEPTH] --------------------------------------------------------------------

template <class Make>
int skynet_main(int argc, char** argv, Make make)
{
    auto solve = make(threads(argc, argv, 1));
    std::size_t leaves = 1;
    for (std::size_t depth = argument(argc, argv, 2, 8); depth > 0; --depth)
        leaves *= 10;
    const std::size_t right = leaves * (leaves - 1) / 2;
    expect(solve(leaves), right, "the sum"); // warm-up
    std::size_t result = 0;
    const auto us = timed([&] { result = solve(leaves); });
    expect(result, right, "the sum");
    report("iteration_count: 1", us);
    return 0;
}

// --- nqueens [THREADS] [N] -----------------------------------------------------------------------

template <std::size_t N>
bool is_safe(const std::array<char, N>& columns, int rows, int q)
{
    for (int r = 0; r < rows; ++r) {
        const int p = columns[static_cast<std::size_t>(r)];
        if (q == p || q == p - (rows - r) || q == p + (rows - r))
            return false;
    }
    return true;
}

inline constexpr std::array nqueens_answers{1, 1, 0, 0, 2, 10, 4, 40, 92, 352, 724, 2'680, 14'200, 73'712, 365'596};

template <std::size_t N, class Solve>
int nqueens_of(Solve& solve)
{
    const std::array<char, N> empty{};
    expect(solve(empty), nqueens_answers[N], "the number of ways"); // warm-up
    int result = 0;
    const auto us = timed([&] { result = solve(empty); });
    expect(result, nqueens_answers[N], "the number of ways");
    std::printf("output: %d\n", result);
    report("iteration_count: 1", us);
    return 0;
}

template <class Make>
int nqueens_main(int argc, char** argv, Make make)
{
    const std::size_t n = argument(argc, argv, 2, 14);
    auto solve = make(threads(argc, argv, 1));
    if (n == 8)
        return nqueens_of<8>(solve);
    if (n == 13)
        return nqueens_of<13>(solve);
    if (n == 14)
        return nqueens_of<14>(solve);
    std::fprintf(stderr, "nqueens: N must be 8, 13 or 14, and is %zu\n", n);
    return 2;
}

// --- matmul SIZE [THREADS] -----------------------------------------------------------------------

/// A square part of a matrix whose rows are `stride` apart.
struct square {
    int* at;
    std::size_t stride;

    [[nodiscard]] square part(std::size_t row, std::size_t column) const { return {at + row * stride + column, stride}; }
};

inline constexpr std::size_t small = 32;

/// c += a * b, as all the rest. Not inlined: Clang does not vectorise it within a coroutine.
[[gnu::noinline]] inline void multiply_small(square a, square b, square c, std::size_t n)
{
    for (std::size_t i = 0; i < n; ++i)
        for (std::size_t k = 0; k < n; ++k) {
            const int factor = a.at[i * a.stride + k];
            const int* const from = b.at + k * b.stride;
            int* const to = c.at + i * c.stride;
            for (std::size_t j = 0; j < n; ++j)
                to[j] += factor * from[j];
        }
}

/// Gives memory from the beginning of a page, as the allocators do that the public programs are linked with. What malloc gives of such a
/// size begins 16 bytes behind the beginning of a line, and so would every row: each vector that is loaded lay in two lines.
template <class T>
struct page_allocator {
    using value_type = T;
    static constexpr std::align_val_t page{4096};
    T* allocate(std::size_t n) { return static_cast<T*>(::operator new(n * sizeof(T), page)); }
    void deallocate(T* p, std::size_t) noexcept { ::operator delete(p, page); }
    friend bool operator==(page_allocator, page_allocator) = default;
};

template <class Make>
int matmul_main(int argc, char** argv, Make make)
{
    const std::size_t n = argument(argc, argv, 1, 0);
    if (n == 0 || (n & (n - 1)) != 0) {
        std::puts("usage: matmul SIZE [THREADS]   SIZE: a power of two");
        return 2;
    }
    auto solve = make(threads(argc, argv, 2));
    const auto once = [&] {
        using matrix = std::vector<int, page_allocator<int>>;
        matrix a(n * n, 1);
        matrix b(n * n, 1);
        matrix c(n * n, 0);
        const auto us = timed([&] { solve({a.data(), n}, {b.data(), n}, {c.data(), n}, n); });
        const auto right = std::count(c.begin(), c.end(), static_cast<int>(n));
        expect(static_cast<std::size_t>(right), n * n, "the number of right elements");
        return us;
    };
    once(); // warm-up
    const auto us = once();
    report("matrix_size: " + std::to_string(n), us);
    return 0;
}

// --- map ITEMS [THREADS] -------------------------------------------------------------------------

/// A function of a tenth of a microsecond or so, more or less by its argument: the steps that n takes to come down to 1 by Collatz's rule.
inline int steps_of(std::size_t n)
{
    int steps = 0;
    for (; n != 1; ++steps)
        n = n % 2 == 0 ? n / 2 : 3 * n + 1;
    return steps;
}

template <class Make>
int map_main(int argc, char** argv, Make make)
{
    const std::size_t n = argument(argc, argv, 1, 0);
    if (n == 0) {
        std::puts("usage: map ITEMS [THREADS]");
        return 2;
    }
    auto solve = make(threads(argc, argv, 2));
    std::vector<int> right(n);
    for (std::size_t k = 0; k < n; ++k)
        right[k] = steps_of(k + 1);
    expect(solve(n) == right, true, "every result is the right one"); // warm-up
    std::vector<int> result;
    const auto us = timed([&] { result = solve(n); });
    expect(result == right, true, "every result is the right one");
    report("items: " + std::to_string(n), us);
    return 0;
}

} // namespace suite
