// map over cheap items: how near to a plain loop per core?

#include "support.hpp"

#if defined(TANDEM_HAVE_TBB)
#include <algorithm>
#include <execution> // of GCC's library, on oneTBB
#include <tbb/blocked_range.h>
#include <tbb/parallel_for.h>
#endif

#include <cmath>
#include <numeric>
#include <ranges>
#include <vector>

namespace {

using bench::tandem_pool;

double square_plus_one(double x) { return x * x + 1; }
double sine(double x) { return std::sin(x); }

std::vector<double> numbers(std::size_t n)
{
    std::vector<double> v(n);
    std::iota(v.begin(), v.end(), 1.0);
    return v;
}

template <class Map>
void maps(benchmark::State& state, std::size_t n, double (*f)(double), Map map)
{
    const std::vector<double> items = numbers(n);
    for (auto _ : state) {
        const std::vector<double> results = map(items);
        bench::expect(results.size() == n && results.back() == f(items.back()), "map: wrong result");
    }
    bench::operations(state, n);
}

// The function is passed as a lambda, so that all can inline it.
template <class F>
std::vector<double> loop(const std::vector<double>& items, F f)
{
    std::vector<double> results(items.size());
    for (std::size_t k = 0; k < items.size(); ++k)
        results[k] = f(items[k]);
    return results;
}

#if defined(TANDEM_HAVE_TBB)
template <class F>
std::vector<double> tbb_map(const std::vector<double>& items, F f)
{
    std::vector<double> results(items.size());
    tbb::parallel_for(tbb::blocked_range<std::size_t>(0, items.size()), [&](const tbb::blocked_range<std::size_t>& r) {
        for (std::size_t k = r.begin(); k != r.end(); ++k)
            results[k] = f(items[k]);
    });
    return results;
}
#endif

constexpr auto squares = [](double x) { return square_plus_one(x); };
constexpr auto sines = [](double x) { return sine(x); };

// 100 thousand squares: some ten microseconds per core, less than it takes to wake a thread.

void squares_tandem(benchmark::State& state)
{
    maps(state, 100'000, square_plus_one, [](auto& items) { return tandem_pool().map(squares, items); });
}
BENCH(squares_tandem, "map_100k_squares/tandem", 2000);

void squares_loop(benchmark::State& state)
{
    maps(state, 100'000, square_plus_one, [](auto& items) { return loop(items, squares); });
}
BENCH(squares_loop, "map_100k_squares/plain_loop", 2000);

// The same into a vector that is there already: fifteen microseconds on one core, and nothing but the loop.

template <class Fill>
void in_place(benchmark::State& state, Fill fill)
{
    const std::vector<double> items = numbers(100'000);
    std::vector<double> results(items.size());
    for (auto _ : state) {
        fill(items.data(), results.data(), items.size());
        benchmark::ClobberMemory();
    }
    bench::expect(results.back() == square_plus_one(items.back()), "map in place: wrong result");
    bench::operations(state, items.size());
}

void in_place_tandem(benchmark::State& state)
{
    in_place(state, [](const double* from, double* to, std::size_t n) {
        tandem_pool().map([=](std::size_t k) { to[k] = square_plus_one(from[k]); }, std::views::iota(std::size_t{0}, n));
    });
}
BENCH(in_place_tandem, "map_100k_in_place/tandem", 4000);

void in_place_loop(benchmark::State& state)
{
    in_place(state, [](const double* from, double* to, std::size_t n) {
        for (std::size_t k = 0; k < n; ++k)
            to[k] = square_plus_one(from[k]);
    });
}
BENCH(in_place_loop, "map_100k_in_place/plain_loop", 4000);

#if defined(TANDEM_HAVE_TBB)
void in_place_tbb(benchmark::State& state)
{
    in_place(state, [](const double* from, double* to, std::size_t n) {
        tbb::parallel_for(tbb::blocked_range<std::size_t>(0, n), [=](const tbb::blocked_range<std::size_t>& r) {
            for (std::size_t k = r.begin(); k != r.end(); ++k)
                to[k] = square_plus_one(from[k]);
        });
    });
}
BENCH(in_place_tbb, "map_100k_in_place/tbb", 4000);

void in_place_std(benchmark::State& state)
{
    in_place(state,
        [](const double* from, double* to, std::size_t n) { std::transform(std::execution::par, from, from + n, to, squares); });
}
BENCH(in_place_std, "map_100k_in_place/std_par", 4000);
#endif

// Results one by one, as they come, from a million calls.
void imap_tandem(benchmark::State& state)
{
    const std::vector<double> items = numbers(1'000'000);
    for (auto _ : state) {
        double sum = 0;
        for (const double x : tandem_pool().imap(squares, items, {.chunk = 256}))
            sum += x;
        bench::expect(sum > 0, "imap: wrong result");
    }
    bench::operations(state, items.size());
}
BENCH(imap_tandem, "imap_1m_in_chunks/tandem", 5);

// A million sines: some milliseconds.

void sines_tandem(benchmark::State& state)
{
    maps(state, 1'000'000, sine, [](auto& items) { return tandem_pool().map(sines, items); });
}
BENCH(sines_tandem, "map_1m_sines/tandem", 20);

void sines_loop(benchmark::State& state)
{
    maps(state, 1'000'000, sine, [](auto& items) { return loop(items, sines); });
}
BENCH(sines_loop, "map_1m_sines/plain_loop", 20);

#if defined(TANDEM_HAVE_TBB)
void squares_tbb(benchmark::State& state)
{
    maps(state, 100'000, square_plus_one, [](auto& items) { return tbb_map(items, squares); });
}
BENCH(squares_tbb, "map_100k_squares/tbb", 2000);

void sines_tbb(benchmark::State& state)
{
    maps(state, 1'000'000, sine, [](auto& items) { return tbb_map(items, sines); });
}
BENCH(sines_tbb, "map_1m_sines/tbb", 20);

void sines_std(benchmark::State& state)
{
    maps(state, 1'000'000, sine, [](auto& items) {
        std::vector<double> results(items.size());
        std::transform(std::execution::par, items.begin(), items.end(), results.begin(), sines);
        return results;
    });
}
BENCH(sines_std, "map_1m_sines/std_par", 20);
#endif

} // namespace
