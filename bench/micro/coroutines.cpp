// Coroutines: starting them, awaiting one another.

#include "support.hpp"

#include <tandem/pool/co_spawn.hpp>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/use_future.hpp>

#include <future>

namespace {

using bench::all_done;
using bench::asio_pool;
using bench::tandem_pool;

// --- co_spawn of an empty task -----------------------------------------------------------------

constexpr std::size_t spawns = 500'000;

tandem::task<> empty_task()
{
    all_done.arrive();
    co_return;
}
asio::awaitable<void> empty_awaitable()
{
    all_done.arrive();
    co_return;
}

void spawn_tandem(benchmark::State& state)
{
    for (auto _ : state) {
        all_done.start(spawns);
        for (std::size_t k = 0; k < spawns; ++k)
            tandem::co_spawn(tandem_pool(), empty_task());
        all_done.wait();
    }
    bench::operations(state, spawns);
}
BENCH(spawn_tandem, "co_spawn_outside/tandem", 1);

void spawn_asio(benchmark::State& state)
{
    for (auto _ : state) {
        all_done.start(spawns);
        for (std::size_t k = 0; k < spawns; ++k)
            asio::co_spawn(asio_pool(), empty_awaitable(), asio::detached);
        all_done.wait();
    }
    bench::operations(state, spawns);
}
BENCH(spawn_asio, "co_spawn_outside/asio", 1);

void spawn_inside_tandem(benchmark::State& state)
{
    for (auto _ : state) {
        all_done.start(spawns);
        tandem_pool().apply_async([] {
            for (std::size_t k = 0; k < spawns; ++k)
                tandem::co_spawn(tandem_pool(), empty_task());
        });
        all_done.wait();
    }
    bench::operations(state, spawns);
}
BENCH(spawn_inside_tandem, "co_spawn_inside/tandem", 1);

void spawn_inside_asio(benchmark::State& state)
{
    for (auto _ : state) {
        all_done.start(spawns);
        asio::post(asio_pool(), [] {
            for (std::size_t k = 0; k < spawns; ++k)
                asio::co_spawn(asio_pool(), empty_awaitable(), asio::detached);
        });
        all_done.wait();
    }
    bench::operations(state, spawns);
}
BENCH(spawn_inside_asio, "co_spawn_inside/asio", 1);

tandem::task<int> one_task() { co_return 1; }
asio::awaitable<int> one_awaitable() { co_return 1; }

void spawn_handles_tandem(benchmark::State& state)
{
    std::vector<tandem::async_result<int>> handles;
    handles.reserve(spawns);
    for (auto _ : state) {
        for (std::size_t k = 0; k < spawns; ++k)
            handles.push_back(tandem::co_spawn(tandem_pool(), one_task()));
        for (auto& h : handles)
            benchmark::DoNotOptimize(h.get());
        handles.clear();
    }
    bench::operations(state, spawns);
}
BENCH(spawn_handles_tandem, "co_spawn_outside_handles/tandem", 1);

void spawn_handles_asio(benchmark::State& state)
{
    std::vector<std::future<int>> handles;
    handles.reserve(spawns);
    for (auto _ : state) {
        for (std::size_t k = 0; k < spawns; ++k)
            handles.push_back(asio::co_spawn(asio_pool(), one_awaitable(), asio::use_future));
        for (auto& h : handles)
            benchmark::DoNotOptimize(h.get());
        handles.clear();
    }
    bench::operations(state, spawns);
}
BENCH(spawn_handles_asio, "co_spawn_outside_handles/asio", 1);

// --- one coroutine awaits another --------------------------------------------------------------

constexpr std::size_t awaits = 1'000'000;

tandem::task<std::size_t> tandem_awaits()
{
    std::size_t sum = 0;
    for (std::size_t k = 0; k < awaits; ++k)
        sum += static_cast<std::size_t>(co_await one_task());
    co_return sum;
}
asio::awaitable<std::size_t> asio_awaits()
{
    std::size_t sum = 0;
    for (std::size_t k = 0; k < awaits; ++k)
        sum += static_cast<std::size_t>(co_await one_awaitable());
    co_return sum;
}

void await_tandem(benchmark::State& state)
{
    for (auto _ : state)
        bench::expect(tandem::sync_wait(tandem_pool(), tandem_awaits()) == awaits, "co_await: wrong sum");
    bench::operations(state, awaits);
}
BENCH(await_tandem, "co_await/tandem", 10);

void await_asio(benchmark::State& state)
{
    for (auto _ : state)
        bench::expect(asio::co_spawn(asio_pool(), asio_awaits(), asio::use_future).get() == awaits, "co_await: wrong sum");
    bench::operations(state, awaits);
}
BENCH(await_asio, "co_await/asio", 2);

// A recursion that deep and back, again and again: no frame is hot in the cache just because it was freed just now.

constexpr std::size_t depth = 1000;

// With `if`: GCC 12 runs a co_await in the branch of `?:` that is not taken.
tandem::task<std::size_t> tandem_descends(std::size_t n)
{
    if (n == 0)
        co_return 0;
    co_return 1 + co_await tandem_descends(n - 1);
}
asio::awaitable<std::size_t> asio_descends(std::size_t n)
{
    if (n == 0)
        co_return 0;
    co_return 1 + co_await asio_descends(n - 1);
}

tandem::task<std::size_t> tandem_dives()
{
    std::size_t sum = 0;
    for (std::size_t k = 0; k < awaits / depth; ++k)
        sum += co_await tandem_descends(depth);
    co_return sum;
}
asio::awaitable<std::size_t> asio_dives()
{
    std::size_t sum = 0;
    for (std::size_t k = 0; k < awaits / depth; ++k)
        sum += co_await asio_descends(depth);
    co_return sum;
}

void deep_tandem(benchmark::State& state)
{
    for (auto _ : state)
        bench::expect(tandem::sync_wait(tandem_pool(), tandem_dives()) == awaits, "co_await: wrong sum");
    bench::operations(state, awaits);
}
BENCH(deep_tandem, "co_await_deep/tandem", 10);

void deep_asio(benchmark::State& state)
{
    for (auto _ : state)
        bench::expect(asio::co_spawn(asio_pool(), asio_dives(), asio::use_future).get() == awaits, "co_await: wrong sum");
    bench::operations(state, awaits);
}
BENCH(deep_asio, "co_await_deep/asio", 2);

} // namespace
