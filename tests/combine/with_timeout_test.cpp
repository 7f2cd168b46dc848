#include "support/manual_context.hpp"
#include "support/threads.hpp"

#include <tandem/combine/race.hpp>
#include <tandem/combine/when_all.hpp>
#include <tandem/combine/with_timeout.hpp>
#include <tandem/pool/co_spawn.hpp>
#include <tandem/sync/one_shot_event.hpp>
#include <tandem/sync/sleep.hpp>
#include <tandem/task/sync_wait.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <vector>

using namespace tandem;
using namespace tandem::test;
using namespace std::chrono_literals;

namespace {

task<int> number_after(std::chrono::nanoseconds d, int n)
{
    co_await sleep_for(d);
    co_return n;
}

task<int> ignores_stop(std::chrono::nanoseconds d, int n)
{
    try {
        co_await sleep_for(d);
    }
    catch (const operation_cancelled&) {
    }
    co_return n;
}

} // namespace

TASK_TEST_CASE("what ends in time gives its value, and the timer is gone")
{
    auto t = with_timeout(number_after(1s, 4), 2s);
    const int n = co_await std::move(t);
    CHECK(n == 4);
    CHECK(manual.now() == 1s);
    auto at_once = with_timeout(number_after(0s, 5), 1ns);
    const int m = co_await std::move(at_once);
    CHECK(m == 5);
}

TEST_CASE("what does not end in time is stopped, and timeout_error says how long it had")
{
    manual_context manual;
    CHECK_THROWS_WITH_AS(
        manual.run(with_timeout(number_after(1h, 4), 250ms)), "with_timeout: not done within 0.25 s", timeout_error);
    CHECK(manual.now() == 250ms);
    CHECK_THROWS_WITH_AS(manual.run(with_timeout(number_after(1h, 4), std::chrono::steady_clock::time_point(1s))),
        "with_timeout: the operation timed out", timeout_error);
    CHECK(manual.now() == 1s);
    CHECK_THROWS_AS(manual.run(with_timeout(number_after(1h, 4), -1s)), timeout_error);
    CHECK(manual.now() == 1s);
}

TASK_TEST_CASE("it waits until what was stopped has ended, and a value that comes all the same counts")
{
    auto t = with_timeout(ignores_stop(1h, 9), 1s);
    const int n = co_await std::move(t);
    CHECK(n == 9);
    CHECK(manual.now() == 1s);
}

TEST_CASE("an error of its own passes, and so does a stop from above")
{
    manual_context manual;
    const auto fails = []() -> task<> {
        co_await sleep_for(1s);
        throw std::runtime_error("broke");
    };
    CHECK_THROWS_WITH_AS(manual.run(with_timeout(fails(), 2s)), "broke", std::runtime_error);

    stop_source stop;
    const auto asks = [](stop_source& s) -> task<> {
        co_await sleep_for(1s);
        s.request_stop();
    };
    auto both = when_all(asks(stop), with_timeout(number_after(1h, 1), 2s));
    CHECK_THROWS_AS(manual.run(std::move(both), stop.get_token()), operation_cancelled);
}

TEST_CASE("the inner of two limits is the one that is told of")
{
    manual_context manual;
    CHECK_THROWS_WITH_AS(
        manual.run(with_timeout(with_timeout(number_after(1h, 1), 1s), 2s)), "with_timeout: not done within 1 s", timeout_error);
    CHECK_THROWS_WITH_AS(
        manual.run(with_timeout(with_timeout(number_after(1h, 1), 2s), 1s)), "with_timeout: not done within 1 s", timeout_error);
}

TEST_CASE("a task may be destroyed within it")
{
    manual_context manual;
    one_shot_event never;
    const auto waits = [&]() -> task<> { co_await never; };
    const auto limited = [&]() -> task<> {
        auto t = with_timeout(waits(), 1h);
        auto both = when_all(std::move(t), sleep_for(2h));
        co_await std::move(both);
        co_await never;
    };
    {
        environment env{manual, {}};
        struct end : completion {
            end() noexcept
                : completion([](completion*, const std::exception_ptr&) noexcept {
                    return std::coroutine_handle<>(std::noop_coroutine());
                })
            {
            }
        } c;
        task<> t = limited();
        resume(detail::task_access::prepare(t, env, c));
        CHECK(manual.step()); // the second child begins: what is queued must not be destroyed
    }
    CHECK_FALSE(manual.step()); // no timer is left
}

TEST_CASE("in sync_wait and on a pool, with no end of time")
{
    CHECK(sync_wait(with_timeout(number_after(1ms, 3), std::chrono::hours::max())) == 3);
    CHECK_THROWS_AS(sync_wait(with_timeout(number_after(1h, 3), 1ms)), timeout_error);
    thread_pool pool{2};
    CHECK(sync_wait(pool, with_timeout(number_after(1ms, 3), 1h)) == 3);
    CHECK_THROWS_AS(sync_wait(pool, with_timeout(number_after(1h, 3), 1ms)), timeout_error);
}

TEST_CASE("many limits that run out just when the work ends, on many threads")
{
    thread_pool pool{4};
    std::atomic<int> in_time{0};
    std::atomic<int> late{0};
    const auto laps = [](std::atomic<int>& a, std::atomic<int>& b, int rounds) -> task<> {
        for (int k = 0; k < rounds; ++k) {
            bool timed_out = false;
            try {
                auto t = with_timeout(number_after(std::chrono::microseconds(k % 20), k), std::chrono::microseconds(k % 23));
                const int n = co_await std::move(t);
                a += n == k;
            }
            catch (const timeout_error&) {
                timed_out = true;
            }
            b += timed_out;
        }
    };
    constexpr int rounds = scaled(4000, 1500, 600);
    std::vector<async_result<void>> all;
    for (int k = 0; k < 8; ++k)
        all.push_back(co_spawn(pool, laps(in_time, late, rounds)));
    for (auto& r : all)
        r.get();
    CHECK(in_time + late == 8 * rounds);
}
