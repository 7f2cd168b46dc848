#include "support/tasks.hpp"
#include "support/threads.hpp"
#include "support/tracked.hpp"

#include <tandem/combine/when_all.hpp>
#include <tandem/sync/one_shot_event.hpp>
#include <tandem/task/sync_wait.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

using namespace tandem;
using namespace tandem::test;

namespace {

task<int> after(one_shot_event& e, int n)
{
    co_await e;
    co_return n;
}

} // namespace

TEST_CASE("sync_wait gives what the task gives")
{
    CHECK(sync_wait(number(3)) == 3);

    int object = 0;
    const auto same = [](int& i) -> task<int&> { co_return i; };
    CHECK(&sync_wait(same(object)) == &object);

    const auto pointer = []() -> task<std::unique_ptr<int>> { co_return std::make_unique<int>(4); };
    CHECK(*sync_wait(pointer()) == 4);

    const auto sets = [](int& i) -> task<> {
        i = 5;
        co_return;
    };
    sync_wait(sets(object));
    CHECK(object == 5);
}

TEST_CASE("sync_wait rethrows what the task threw")
{
    const auto throws = [](int n) -> task<int> {
        co_await number(n);
        throw std::out_of_range("thrown");
    };
    CHECK_THROWS_WITH_AS(sync_wait(throws(1)), "thrown", std::out_of_range);
    const auto none = []() -> task<> {
        throw 5;
        co_return;
    };
    CHECK_THROWS_AS(sync_wait(none()), int);
}

TEST_CASE("sync_wait takes any awaitable")
{
    const auto [a, b] = sync_wait(when_all(number(1), number(2)));
    CHECK(a + b == 3);

    one_shot_event e;
    e.set();
    sync_wait(e.uninterrupted());
}

TEST_CASE("the value outlives the task, and is moved, not copied")
{
    tally t;
    const auto make = [](tally& counts) -> task<tracked> { co_return tracked(counts, 6); };
    {
        const tracked v = sync_wait(make(t));
        CHECK(v.value == 6);
        CHECK(t.alive == 1);
    }
    CHECK(t.alive == 0);
    CHECK(t.copies == 0);
}

TEST_CASE("every step of the task runs on the thread that waits")
{
    one_shot_event e;
    const auto here = std::this_thread::get_id();
    const auto steps = [&]() -> task<bool> {
        const bool before = std::this_thread::get_id() == here;
        co_await e;
        co_return before&& std::this_thread::get_id() == here;
    };
    std::thread other([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        e.set();
    });
    CHECK(sync_wait(steps()));
    other.join();
}

TEST_CASE("the task inherits the stop token")
{
    stop_source stop;
    one_shot_event never;
    std::thread other([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        stop.request_stop();
    });
    CHECK_THROWS_AS(sync_wait(after(never, 1), stop.get_token()), operation_cancelled);
    other.join();
    const auto stoppable = []() -> task<bool> { co_return (co_await this_task::stop_token()).stop_requested(); };
    CHECK(sync_wait(stoppable(), stop.get_token()));
    CHECK_FALSE(sync_wait(stoppable()));
}

TEST_CASE("a task waits for another thread, which is just before or just after it")
{
    constexpr int rounds = scaled(20'000, 10'000, 5'000);
    std::vector<one_shot_event> events(rounds);
    start_line line(2);
    int sum = 0;
    on_threads(
        [&] {
            jitter random(1);
            for (one_shot_event& e : events) {
                line.wait();
                random.spin(2000);
                e.set();
            }
        },
        [&] {
            jitter random(2);
            for (one_shot_event& e : events) {
                line.wait();
                random.spin(2000);
                sum += sync_wait(after(e, 1)); // the loop is gone as soon as the setter has made it known
            }
        });
    CHECK(sum == rounds);
}

TEST_CASE("several threads wait at once, each for its own")
{
    on_each_of(4, [](int me) {
        const auto yields = [](int n, int answer) -> task<int> {
            int sum = 0;
            for (int k = 0; k < n; ++k) {
                one_shot_event e;
                const auto setter = [](one_shot_event& x) -> task<int> {
                    x.set();
                    co_return 1;
                };
                auto [first, second] = co_await when_all(after(e, answer), setter(e));
                sum += first * second;
            }
            co_return sum;
        };
        for (int round = 0; round < scaled(200, 50, 30); ++round) {
            CHECK(sync_wait(yields(20, me)) == 20 * me);
            CHECK_THROWS_AS(sync_wait([]() -> task<> {
                throw std::runtime_error("thrown");
                co_return;
            }()),
                std::runtime_error);
        }
    });
}

TEST_CASE("several threads wake the one that waits")
{
    constexpr int setters = 4;
    constexpr int rounds = scaled(1'000, 500, 300);
    std::vector<one_shot_event> events(setters * rounds);
    start_line line(setters + 1);
    int sum = 0;
    const auto round = [&](int k) -> task<int> {
        std::vector<task<int>> all;
        for (int s = 0; s < setters; ++s)
            all.push_back(after(events[k * setters + s], 1));
        int n = 0;
        for (const int one : co_await when_all(std::move(all)))
            n += one;
        co_return n;
    };
    std::thread waits([&] {
        for (int k = 0; k < rounds; ++k) {
            line.wait();
            sum += sync_wait(round(k));
        }
    });
    on_each_of(setters, [&](int me) {
        jitter random(me);
        for (int k = 0; k < rounds; ++k) {
            line.wait();
            random.spin(3000);
            events[k * setters + me].set();
        }
    });
    waits.join();
    CHECK(sum == setters * rounds);
}
