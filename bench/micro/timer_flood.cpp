// How late is a timer while a pool of two threads has a hundred thousand tasks of 100 microseconds in its queue?

#include "support.hpp"

#include <tandem/io/sleep.hpp>
#include <tandem/pool/co_spawn.hpp>

#include <asio/post.hpp>
#include <asio/steady_timer.hpp>

#include <chrono>

namespace {

using clock = std::chrono::steady_clock;
using bench::all_done;

constexpr std::size_t tasks = 100'000;
constexpr auto task_time = std::chrono::microseconds(100);
constexpr auto period = std::chrono::milliseconds(1);

void work()
{
    for (const auto end = clock::now() + task_time; clock::now() < end;)
        ;
    all_done.arrive();
}

void report(benchmark::State& state, std::vector<double>& milliseconds_late)
{
    state.counters["p50_ms"] = bench::percentile(milliseconds_late, 0.5);
    state.counters["p99_ms"] = bench::percentile(milliseconds_late, 0.99);
    state.counters["max_ms"] = bench::percentile(milliseconds_late, 1);
    state.counters["ticks"] = static_cast<double>(milliseconds_late.size());
    bench::operations(state, tasks);
}

double milliseconds_since(clock::time_point t) { return std::chrono::duration<double, std::milli>(clock::now() - t).count(); }

tandem::task<std::vector<double>> tick(const std::atomic<bool>& flood_over)
{
    std::vector<double> late;
    while (!flood_over.load()) {
        const auto due = clock::now() + period;
        co_await tandem::sleep_until(due);
        late.push_back(milliseconds_since(due));
    }
    co_return late;
}

void flood_tandem(benchmark::State& state)
{
    std::vector<double> late;
    for (auto _ : state) {
        tandem::thread_pool pool(2);
        std::atomic<bool> flood_over{false};
        auto ticks = tandem::co_spawn(pool, tick(flood_over));
        all_done.start(tasks);
        for (std::size_t k = 0; k < tasks; ++k)
            pool.apply_async(work);
        all_done.wait();
        flood_over = true;
        late = ticks.get();
    }
    report(state, late);
}
BENCH(flood_tandem, "timer_in_flood/tandem", 1)->Repetitions(1);

void flood_asio(benchmark::State& state)
{
    std::vector<double> late;
    for (auto _ : state) {
        late.clear();
        asio::thread_pool pool(2);
        std::atomic<bool> flood_over{false};
        asio::steady_timer timer(pool);
        clock::time_point due;
        std::function<void(asio::error_code)> tick = [&](asio::error_code) {
            late.push_back(milliseconds_since(due));
            if (!flood_over.load()) {
                due = clock::now() + period;
                timer.expires_at(due);
                timer.async_wait(tick);
            }
        };
        due = clock::now() + period;
        timer.expires_at(due);
        timer.async_wait(tick);
        all_done.start(tasks);
        for (std::size_t k = 0; k < tasks; ++k)
            asio::post(pool, work);
        all_done.wait();
        flood_over = true;
        pool.join();
    }
    report(state, late);
}
BENCH(flood_asio, "timer_in_flood/asio", 1)->Repetitions(1);

} // namespace
