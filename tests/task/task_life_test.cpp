// A task is lazy, and owned by one.
#include "support/tasks.hpp"
#include "support/tracked.hpp"

#include <tandem/task/sync_wait.hpp>
#include <tandem/task/task.hpp>

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

using namespace tandem;
using namespace tandem::test;

TASK_TEST_CASE("nothing runs until the task is awaited")
{
    bool ran = false;
    const auto sets = [](bool& flag) -> task<> {
        flag = true;
        co_return;
    };
    auto waiting = sets(ran);
    co_await nothing();
    CHECK_FALSE(ran);
    co_await std::move(waiting);
    CHECK(ran);
}

TEST_CASE("a task that was never started destroys its parameters, and runs nothing")
{
    tally t;
    bool ran = false;
    const auto takes = [](tracked, bool& flag) -> task<> {
        flag = true;
        co_return;
    };
    {
        const auto unstarted = takes(tracked(t), ran);
        CHECK(t.alive == 1);
    }
    CHECK(t.alive == 0);
    CHECK(t.copies == 0);
    CHECK_FALSE(ran);
}

TASK_TEST_CASE("parameters taken by value travel with the task")
{
    auto made = [](manual_context& m) { return after_a_yield(m, std::string("gone by the time the task runs, but copied")); }(
                    manual);
    const std::string s = co_await std::move(made);
    CHECK(s == "gone by the time the task runs, but copied");
}

TEST_CASE("moving a task hands over what it holds")
{
    task<int> none;
    CHECK_FALSE(static_cast<bool>(none));

    auto a = number(1);
    CHECK(static_cast<bool>(a));
    auto b = std::move(a);
    CHECK_FALSE(static_cast<bool>(a)); // NOLINT: moved from
    CHECK(static_cast<bool>(b));
    a = number(2);
    a.swap(b);
    CHECK(sync_wait(std::move(a)) == 1);
    CHECK(sync_wait(std::move(b)) == 2);
}

TEST_CASE("assigning to a task destroys what it held")
{
    tally t;
    const auto takes = [](tracked) -> task<> { co_return; };
    auto held = takes(tracked(t));
    held = nothing();
    CHECK(t.alive == 0);
    held = takes(tracked(t));
    CHECK(t.alive == 1);
    auto& same = held;
    held = std::move(same);
    CHECK(t.alive == 1);
    held = {};
    CHECK(t.alive == 0);
}

TASK_TEST_CASE("tasks may be kept and awaited in another order")
{
    std::vector<task<int>> tasks;
    for (int k = 0; k < 10; ++k)
        tasks.push_back(after_a_yield(manual, k));
    std::vector<int> values;
    for (auto t = tasks.rbegin(); t != tasks.rend(); ++t) {
        const int value = co_await std::move(*t);
        values.push_back(value);
    }
    CHECK(values == std::vector{9, 8, 7, 6, 5, 4, 3, 2, 1, 0});
}
