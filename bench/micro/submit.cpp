// Plain functions: into the pool from outside, from inside, and there and back.

#include "support.hpp"

#include <asio/post.hpp>
#include <asio/use_future.hpp>

#include <chrono>
#include <future>
#include <thread>
#include <vector>

namespace {

using bench::all_done;
using bench::asio_pool;
using bench::tandem_pool;

constexpr std::size_t many = 1'000'000;

// --- from outside, until all are done ----------------------------------------------------------

void outside_tandem(benchmark::State& state)
{
    for (auto _ : state) {
        all_done.start(many);
        for (std::size_t k = 0; k < many; ++k)
            tandem_pool().apply_async([] { all_done.arrive(); });
        all_done.wait();
    }
    bench::operations(state, many);
}
BENCH(outside_tandem, "submit_outside/tandem", 1);

void outside_asio(benchmark::State& state)
{
    for (auto _ : state) {
        all_done.start(many);
        for (std::size_t k = 0; k < many; ++k)
            asio::post(asio_pool(), [] { all_done.arrive(); });
        all_done.wait();
    }
    bench::operations(state, many);
}
BENCH(outside_asio, "submit_outside/asio", 1);

// --- the same from four threads at once ----------------------------------------------------------

template <class Submit>
void from_four(benchmark::State& state, Submit submit)
{
    for (auto _ : state) {
        all_done.start(many);
        std::vector<std::thread> threads;
        for (int t = 0; t < 4; ++t)
            threads.emplace_back([&] {
                for (std::size_t k = 0; k < many / 4; ++k)
                    submit();
            });
        for (std::thread& t : threads)
            t.join();
        all_done.wait();
    }
    bench::operations(state, many);
}

void four_tandem(benchmark::State& state)
{
    from_four(state, [] { tandem_pool().apply_async([] { all_done.arrive(); }); });
}
BENCH(four_tandem, "submit_outside_4/tandem", 1);

void four_asio(benchmark::State& state)
{
    from_four(state, [] { asio::post(asio_pool(), [] { all_done.arrive(); }); });
}
BENCH(four_asio, "submit_outside_4/asio", 1);

// --- the same, keeping the handles and waiting for each ------------------------------------------

void handles_tandem(benchmark::State& state)
{
    std::vector<tandem::async_result<int>> handles;
    handles.reserve(many);
    for (auto _ : state) {
        for (std::size_t k = 0; k < many; ++k)
            handles.push_back(tandem_pool().apply_async([] { return 1; }));
        for (auto& h : handles)
            benchmark::DoNotOptimize(h.get());
        handles.clear();
    }
    bench::operations(state, many);
}
BENCH(handles_tandem, "submit_outside_handles/tandem", 1);

void handles_asio(benchmark::State& state)
{
    std::vector<std::future<int>> handles;
    handles.reserve(many);
    for (auto _ : state) {
        for (std::size_t k = 0; k < many; ++k)
            handles.push_back(asio::post(asio_pool(), asio::use_future([] { return 1; })));
        for (auto& h : handles)
            benchmark::DoNotOptimize(h.get());
        handles.clear();
    }
    bench::operations(state, many);
}
BENCH(handles_asio, "submit_outside_handles/asio", 1);

// --- from a worker -----------------------------------------------------------------------------

void inside_tandem(benchmark::State& state)
{
    for (auto _ : state) {
        all_done.start(many);
        tandem_pool().apply_async([] {
            for (std::size_t k = 0; k < many; ++k)
                tandem_pool().apply_async([] { all_done.arrive(); });
        });
        all_done.wait();
    }
    bench::operations(state, many);
}
BENCH(inside_tandem, "submit_inside/tandem", 1);

void inside_asio(benchmark::State& state)
{
    for (auto _ : state) {
        all_done.start(many);
        asio::post(asio_pool(), [] {
            for (std::size_t k = 0; k < many; ++k)
                asio::post(asio_pool(), [] { all_done.arrive(); });
        });
        all_done.wait();
    }
    bench::operations(state, many);
}
BENCH(inside_asio, "submit_inside/asio", 1);

// A tree: every task submits two more, until there are `many`. Nobody is outside, and everybody submits.

void tree_tandem_node(std::size_t n)
{
    if (n > 1) {
        tandem_pool().apply_async([=] { tree_tandem_node(n / 2); });
        tandem_pool().apply_async([=] { tree_tandem_node(n - n / 2); });
    }
    else
        all_done.arrive();
}

void tree_tandem(benchmark::State& state)
{
    for (auto _ : state) {
        all_done.start(many / 2);
        tandem_pool().apply_async([] { tree_tandem_node(many / 2); });
        all_done.wait();
    }
    bench::operations(state, many);
}
BENCH(tree_tandem, "submit_tree/tandem", 1);

void tree_asio_node(std::size_t n)
{
    if (n > 1) {
        asio::post(asio_pool(), [=] { tree_asio_node(n / 2); });
        asio::post(asio_pool(), [=] { tree_asio_node(n - n / 2); });
    }
    else
        all_done.arrive();
}

void tree_asio(benchmark::State& state)
{
    for (auto _ : state) {
        all_done.start(many / 2);
        asio::post(asio_pool(), [] { tree_asio_node(many / 2); });
        all_done.wait();
    }
    bench::operations(state, many);
}
BENCH(tree_asio, "submit_tree/asio", 1);

// --- there and back ----------------------------------------------------------------------------

// Before a trip: nothing, or until every thread of the pool has gone to sleep.
void warm(benchmark::State&) {}
void parked(benchmark::State& state)
{
    state.PauseTiming();
    std::this_thread::sleep_for(std::chrono::microseconds(300));
    state.ResumeTiming();
}

void round_trips(benchmark::State& state, void (*pause)(benchmark::State&), int (*trip)())
{
    using clock = std::chrono::steady_clock;
    std::vector<double> microseconds;
    for (auto _ : state) {
        pause(state);
        const auto before = clock::now();
        bench::expect(trip() == 1, "round trip: wrong value");
        microseconds.push_back(std::chrono::duration<double, std::micro>(clock::now() - before).count());
    }
    state.counters["p50_us"] = bench::percentile(microseconds, 0.5);
    state.counters["p99_us"] = bench::percentile(microseconds, 0.99);
}

int by_tandem()
{
    return tandem_pool().apply([] { return 1; });
}
int by_asio()
{
    return asio::post(asio_pool(), asio::use_future([] { return 1; })).get();
}

void round_trip_tandem(benchmark::State& state) { round_trips(state, warm, &by_tandem); }
BENCH(round_trip_tandem, "round_trip/tandem", 20'000);

void round_trip_asio(benchmark::State& state) { round_trips(state, warm, &by_asio); }
BENCH(round_trip_asio, "round_trip/asio", 20'000);

void round_trip_std(benchmark::State& state)
{
    round_trips(state, warm, [] { return std::async(std::launch::async, [] { return 1; }).get(); });
}
BENCH(round_trip_std, "round_trip/std_async", 2000);

void parked_tandem(benchmark::State& state) { round_trips(state, parked, &by_tandem); }
BENCH(parked_tandem, "round_trip_parked/tandem", 1000);

void parked_asio(benchmark::State& state) { round_trips(state, parked, &by_asio); }
BENCH(parked_asio, "round_trip_parked/asio", 1000);

} // namespace
