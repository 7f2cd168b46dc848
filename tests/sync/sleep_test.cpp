#include "support/manual_context.hpp"
#include "support/threads.hpp"
#include "support/tracked.hpp"

#include <tandem/combine/when_all.hpp>
#include <tandem/io/co_spawn.hpp>
#include <tandem/pool/thread_pool.hpp>
#include <tandem/sync/sleep.hpp>
#include <tandem/task/sync_wait.hpp>

#include <asio/io_context.hpp>
#include <asio/strand.hpp>
#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

using namespace tandem;
using namespace tandem::test;
using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

namespace {

task<> sleeps(std::chrono::nanoseconds d, std::vector<int>& order, int number)
{
    co_await sleep_for(d);
    order.push_back(number);
}

task<> sleeps_until(steady::time_point t, std::vector<int>& order, int number)
{
    co_await sleep_until(t);
    order.push_back(number);
}

task<> note_in(std::vector<int>& order, int number)
{
    order.push_back(number);
    co_return;
}

} // namespace

TASK_TEST_CASE("a sleep lasts as long as was said, from the await on")
{
    auto nap = sleep_for(2s);
    co_await sleep_for(1h);
    co_await nap;
    CHECK(manual.now() == 1h + 2s);
    co_await sleep_until(steady::time_point(2h));
    CHECK(manual.now() == 2h);
    co_await sleep_until(steady::time_point(1h)); // past
    co_await sleep_for(-5s);
    CHECK(manual.now() == 2h);
}

TEST_CASE("a task that sleeps for ever can be stopped")
{
    manual_context manual;
    stop_source stop;
    stop.request_stop();
    const auto for_ever = []() -> task<> { co_await sleep_for(std::chrono::hours::max()); };
    CHECK_THROWS_WITH_AS(manual.run(for_ever(), stop.get_token()),
        "a task was asked to stop while it slept: the operation was cancelled", operation_cancelled);
    const auto no_time = []() -> task<> { co_await sleep_for(0s); };
    CHECK_THROWS_AS(manual.run(no_time(), stop.get_token()), operation_cancelled);
    const auto goes_on = []() -> task<> { co_await yield(); };
    manual.run(goes_on(), stop.get_token());
}

TEST_CASE("sync_wait sleeps on the thread that called it")
{
    const auto thread = std::this_thread::get_id();
    const auto sleeper = [&]() -> task<bool> {
        co_await sleep_for(20ms);
        co_return std::this_thread::get_id() == thread;
    };
    const auto start = steady::now();
    CHECK(sync_wait(sleeper()));
    CHECK(steady::now() - start >= 20ms);
}

TEST_CASE("sync_wait can be stopped from another thread while it sleeps, and an earlier sleep is not late for a later one")
{
    stop_source stop;
    std::thread other([&] {
        std::this_thread::sleep_for(5ms);
        stop.request_stop();
    });
    const auto sleeper = []() -> task<> { co_await sleep_for(1h); };
    CHECK_THROWS_AS(sync_wait(sleeper(), stop.get_token()), operation_cancelled);
    other.join();
}

TEST_CASE("tasks on a pool sleep, all at once, and wake in the order of time")
{
    thread_pool pool{1};
    // Who comes too late to sleep goes on at once, out of order; then once more, with more time to fall asleep.
    for (auto first = 50ms;; first *= 2) {
        std::vector<int> order;
        std::vector<async_result<void>> all;
        const auto start = steady::now();
        for (int k = 5; k > 0; --k)
            all.push_back(co_spawn(pool, sleeps_until(start + first + k * 1ms, order, k)));
        pool.apply([] {}); // behind them
        const bool in_time = steady::now() < start + first;
        for (auto& r : all)
            r.get();
        CHECK(steady::now() - start >= first + 5ms);
        if (!in_time)
            continue;
        CHECK(order == std::vector{1, 2, 3, 4, 5});
        break;
    }
}

TEST_CASE("a pool does not wait for the time of a sleep that was cancelled")
{
    const auto start = steady::now();
    {
        thread_pool pool{2};
        auto r = co_spawn(pool, sleep_for(1h));
        r.cancel();
        CHECK_THROWS_AS(r.get(), operation_cancelled);
    }
    CHECK(steady::now() - start < 30min);
}

TEST_CASE("terminate ends every sleep")
{
    thread_pool pool{2};
    std::vector<async_result<void>> all;
    for (int k = 0; k < 1000; ++k)
        all.push_back(co_spawn(pool, sleep_for(1h)));
    pool.terminate();
    for (auto& r : all)
        CHECK_THROWS_AS(r.get(), operation_cancelled);
}

TEST_CASE("on an io_context, and on a strand of it; the context runs out of work when nobody sleeps any more")
{
    for (auto first = 50ms;; first *= 2) { // as above
        asio::io_context io;
        std::vector<int> order;
        const auto start = steady::now();
        auto a = co_spawn(io, sleeps_until(start + first + 2ms, order, 2));
        auto b = co_spawn(asio::make_strand(io), sleeps_until(start + first + 1ms, order, 1));
        auto c = co_spawn(io, sleeps(1h, order, 3));
        io.poll();
        const bool in_time = steady::now() < start + first;
        std::thread other([&] {
            std::this_thread::sleep_for(30ms);
            c.cancel();
        });
        io.run();
        other.join();
        CHECK_THROWS_AS(c.get(), operation_cancelled);
        if (!in_time)
            continue;
        CHECK(order == std::vector{1, 2});
        break;
    }
}

TEST_CASE("an io_context that goes away cancels those who sleep on it")
{
    tally t;
    const auto holds = [](tally& counts) -> task<> {
        const tracked kept(counts);
        try {
            co_await sleep_for(1h);
        }
        catch (const operation_cancelled&) {
        }
        co_await sleep_for(1h); // that too
    };
    async_result<void> r;
    {
        asio::io_context io;
        r = co_spawn(io, holds(t));
        io.poll();
        CHECK(t.alive == 1);
    }
    CHECK(t.alive == 0);
    CHECK_THROWS_AS(r.get(), operation_cancelled);
}

TASK_TEST_CASE("yield lets others go first")
{
    std::vector<int> order;
    const auto yields = [](std::vector<int>& o, int number) -> task<> {
        o.push_back(number);
        co_await yield();
        o.push_back(number + 10);
    };
    co_await when_all(yields(order, 1), yields(order, 2), note_in(order, 3));
    CHECK(order == std::vector{1, 2, 3, 11, 12});
}

TEST_CASE("many sleeps and stops from many threads at any moment: each ends once")
{
    constexpr int rounds = scaled(20'000, 5'000, 3'000);
    thread_pool pool{4};
    std::atomic<int> slept{0};
    std::atomic<int> stopped{0};
    const auto naps = [](std::atomic<int>& s, std::atomic<int>& c, int n) -> task<> {
        try {
            co_await sleep_for(std::chrono::microseconds(n % 50));
            ++s;
        }
        catch (const operation_cancelled&) {
            ++c;
        }
    };
    on_each_of(3, [&](int thread) {
        jitter j(static_cast<unsigned>(thread));
        for (int k = 0; k < rounds / 3; ++k) {
            auto r = co_spawn(pool, naps(slept, stopped, k));
            j.spin(30'000);
            r.cancel();
            try {
                r.get();
            }
            catch (const operation_cancelled&) {
                ++stopped; // before it began
            }
        }
    });
    CHECK(slept + stopped == rounds / 3 * 3);
}
