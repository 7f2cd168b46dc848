// The tests' own tools.
#include "support/manual_context.hpp"
#include "support/threads.hpp"
#include "support/tracked.hpp"

#include <tandem/cancel/stop_token.hpp>
#include <tandem/sync/one_shot_event.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <stdexcept>
#include <vector>

using namespace tandem;
using namespace tandem::test;
using namespace std::chrono_literals;

namespace {

task<int> hours_later(manual_context& manual, int hours)
{
    co_await manual.sleep_for(std::chrono::hours(hours));
    co_return hours;
}

task<> notes(manual_context& manual, std::vector<int>& order, int number)
{
    for (int k = 0; k < 2; ++k) {
        order.push_back(number);
        co_await manual.yield();
    }
}

} // namespace

TASK_TEST_CASE("the clock of a manual_context stands still but for those who sleep")
{
    CHECK(manual.now() == 0h);
    const int hours = co_await hours_later(manual, 3);
    CHECK(hours == 3);
    CHECK(manual.now() == 3h);
    co_await manual.sleep_for(0h);
    CHECK(manual.now() == 3h);
}

TEST_CASE("a task that can never finish is found out, and destroyed with all that it holds")
{
    tally t;
    manual_context manual;
    one_shot_event never;
    const auto waits = [&]() -> task<> {
        const tracked kept(t);
        co_await never;
    };
    CHECK_THROWS_AS(manual.run(waits()), stuck);
    CHECK(t.alive == 0);
}

TEST_CASE("a manual_context gives the value or the exception, and may be used again")
{
    manual_context manual;
    CHECK(manual.run(hours_later(manual, 1)) == 1);
    const auto throws = [](manual_context& m) -> task<> {
        co_await m.yield();
        throw std::out_of_range("thrown");
    };
    CHECK_THROWS_WITH_AS(manual.run(throws(manual)), "thrown", std::out_of_range);
    CHECK(manual.run(hours_later(manual, 2)) == 2);
    CHECK(manual.now() == 3h);
}

TEST_CASE("a sleep ends when its task is asked to stop, before it and meanwhile")
{
    manual_context manual;
    stop_source stop;
    const auto sleeps = [&]() -> task<> {
        struct stopper : job {
            explicit stopper(stop_source& s) noexcept
                : job([](job* j) noexcept { static_cast<stopper*>(j)->source.request_stop(); }), source(s)
            {
            }
            stop_source& source;
        } stopper(stop);
        manual.post(stopper);
        co_await manual.sleep_for(1h);
    };
    CHECK_THROWS_AS(manual.run(sleeps(), stop.get_token()), operation_cancelled);
    CHECK(stop.stop_requested());
    CHECK_THROWS_AS(manual.run(hours_later(manual, 1), stop.get_token()), operation_cancelled);
    CHECK(manual.now() == 0h);
}

TEST_CASE("jobs are run in the order in which they were posted")
{
    manual_context manual;
    std::vector<int> order;
    manual.run(notes(manual, order, 1));
    CHECK(order == std::vector{1, 1});
}

TEST_CASE("a tracked value counts its copies, its moves and its life")
{
    tally t;
    {
        tracked a(t, 5);
        const tracked b(a);
        const tracked c(std::move(a));
        CHECK(t.copies == 1);
        CHECK(t.moves == 1);
        CHECK(t.alive == 3);
        CHECK(a.value == -1); // NOLINT: moved from, and that is what is asked
        CHECK(c.value == 5);
    }
    CHECK(t.alive == 0);
}

TEST_CASE("a start line lets nobody go before all have come")
{
    start_line line(2);
    std::atomic<int> arrived = 0;
    on_each_of(2, [&](int) {
        for (int round = 1; round <= 1000; ++round) {
            ++arrived;
            line.wait();
            CHECK(arrived.load() >= 2 * round);
            line.wait();
        }
    });
}

TEST_CASE("on_threads rethrows what a function threw")
{
    CHECK_THROWS_WITH_AS(on_threads([] {}, [] { throw std::runtime_error("thrown"); }), "thrown", std::runtime_error);
    CHECK_THROWS_WITH_AS(on_stack_of(1 << 18, [] { throw std::runtime_error("thrown"); }), "thrown", std::runtime_error);
}
