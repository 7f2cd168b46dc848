// with_tbb NAME [ARGS]: fib, skynet, nqueens, matmul and map on oneTBB, with the arguments and the output of the programs of those names.

#include "problems.hpp"
#include "suite.hpp"

#include <oneapi/tbb/blocked_range.h>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/parallel_invoke.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_group.h>

#include <string_view>

namespace {

std::size_t fib(std::size_t n)
{
    if (n < 2)
        return n;
    std::size_t a = 0;
    std::size_t b = 0;
    tbb::task_group g;
    g.run([&] { a = fib(n - 1); });
    b = fib(n - 2);
    g.wait();
    return a + b;
}

std::size_t skynet(std::size_t first, std::size_t leaves)
{
    if (leaves == 1)
        return first;
    std::array<std::size_t, 10> sums{};
    const std::size_t share = leaves / sums.size();
    tbb::task_group g;
    for (std::size_t k = 0; k < sums.size(); ++k)
        g.run([&, k] { sums[k] = skynet(first + k * share, share); });
    g.wait();
    return std::accumulate(sums.begin(), sums.end(), std::size_t{0});
}

template <std::size_t N>
int nqueens(int rows, std::array<char, N> columns)
{
    if (rows == static_cast<int>(N))
        return 1;
    std::array<int, N> counts{};
    tbb::task_group g;
    for (int q = 0; q < static_cast<int>(N); ++q)
        if (suite::is_safe(columns, rows, q)) {
            columns[static_cast<std::size_t>(rows)] = static_cast<char>(q);
            g.run([&count = counts[static_cast<std::size_t>(q)], rows, columns] { count = nqueens(rows + 1, columns); });
        }
    g.wait();
    return std::accumulate(counts.begin(), counts.end(), 0);
}

void multiply(suite::square a, suite::square b, suite::square c, std::size_t n)
{
    if (n <= suite::small) {
        suite::multiply_small(a, b, c, n);
        return;
    }
    const std::size_t h = n / 2;
    for (const std::size_t k : {std::size_t{0}, h})
        tbb::parallel_invoke([=] { multiply(a.part(0, k), b.part(k, 0), c, h); },
            [=] { multiply(a.part(0, k), b.part(k, h), c.part(0, h), h); },
            [=] { multiply(a.part(h, k), b.part(k, 0), c.part(h, 0), h); },
            [=] { multiply(a.part(h, k), b.part(k, h), c.part(h, h), h); });
}

std::vector<int> map(std::size_t n)
{
    std::vector<int> results(n);
    tbb::parallel_for(tbb::blocked_range<std::size_t>(0, n), [&](const tbb::blocked_range<std::size_t>& r) {
        for (std::size_t k = r.begin(); k != r.end(); ++k)
            results[k] = suite::steps_of(k + 1);
    });
    return results;
}

/// Runs `f` in an arena of so many threads, this one among them.
template <class F>
auto in_arena(std::size_t threads, F f)
{
    static const tbb::global_control limit(tbb::global_control::max_allowed_parallelism, threads);
    static tbb::task_arena arena(static_cast<int>(threads));
    return arena.execute(f);
}

} // namespace

int main(int argc, char** argv)
{
    const std::string_view name = argc > 1 ? argv[1] : "";
    --argc; // so that the arguments are where the other programs have them
    ++argv;
    if (name == "fib")
        return suite::fib_main(argc, argv,
            [](std::size_t threads) { return [threads](std::size_t n) { return in_arena(threads, [&] { return fib(n); }); }; });
    if (name == "skynet")
        return suite::skynet_main(argc, argv, [](std::size_t threads) {
            return [threads](std::size_t leaves) { return in_arena(threads, [&] { return skynet(0, leaves); }); };
        });
    if (name == "nqueens")
        return suite::nqueens_main(argc, argv, [](std::size_t threads) {
            return [threads](const auto& empty) { return in_arena(threads, [&] { return nqueens(0, empty); }); };
        });
    if (name == "matmul")
        return suite::matmul_main(argc, argv, [](std::size_t threads) {
            return [threads](suite::square a, suite::square b, suite::square c, std::size_t n) {
                in_arena(threads, [&] { multiply(a, b, c, n); });
            };
        });
    if (name == "map")
        return suite::map_main(argc, argv,
            [](std::size_t threads) { return [threads](std::size_t n) { return in_arena(threads, [&] { return map(n); }); }; });
    std::puts("usage: with_tbb fib|skynet|nqueens|matmul|map [ARGS]");
    return 2;
}
