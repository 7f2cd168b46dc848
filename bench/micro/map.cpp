// map over cheap items: how near to a plain loop per core?

#include "support.hpp"

#if defined(TANDEM_HAVE_TBB)
#include <tbb/blocked_range.h>
#include <tbb/parallel_for.h>
#endif

#include <cmath>
#include <numeric>

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
#endif

} // namespace
