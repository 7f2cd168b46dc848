#include "support/manual_context.hpp"

#include <tandem/combine/task_scope.hpp>
#include <tandem/combine/when_all.hpp>
#include <tandem/combine/with_timeout.hpp>
#include <tandem/sync/sleep.hpp>
#include <tandem/task/inherit.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <vector>

using namespace tandem;
using namespace tandem::test;
using namespace std::chrono_literals;

namespace {

task_local<int> nesting;
task_local<std::string> user;

task<std::string> my_name()
{
    const auto name = co_await this_task::name();
    co_return std::string(name);
}

task<int> my_depth()
{
    const int* const d = co_await nesting.get();
    co_return d ? *d : -1;
}

task<int> deeper(int n)
{
    const int here = co_await my_depth();
    if (n == 0)
        co_return here;
    auto below = nesting.bind(here + 1, deeper(n - 1));
    co_return co_await std::move(below);
}

} // namespace

TASK_TEST_CASE("a name is inherited by all below, and gone behind")
{
    CHECK((co_await my_name()) == "");
    auto all = named("outer", when_all(my_name(), with_timeout(named("inner", my_name()), 1s), my_name()));
    const auto [a, b, c] = co_await std::move(all);
    CHECK(a == "outer");
    CHECK(b == "inner");
    CHECK(c == "outer");
    CHECK((co_await my_name()) == "");
    // in one expression, and longer than what a string keeps in place
    CHECK((co_await named("short", my_name())) == "short");
    CHECK((co_await named("a name that is longer than most", my_name())) == "a name that is longer than most");
}

TASK_TEST_CASE("a task-local variable has the value of the innermost that bound it")
{
    CHECK((co_await my_depth()) == -1);
    auto five = nesting.bind(0, deeper(5));
    CHECK((co_await std::move(five)) == 5);
    auto mixed = user.bind("ada", nesting.bind(7, my_depth()));
    CHECK((co_await std::move(mixed)) == 7);
    std::vector<int> seen;
    auto scope = nesting.bind(3, with_scope([&](task_scope& s) -> task<> {
        for (int k = 0; k < 3; ++k)
            s.spawn([](std::vector<int>& v) -> task<> { v.push_back(co_await my_depth()); }(seen));
        co_return;
    }));
    co_await std::move(scope);
    CHECK(seen == std::vector{3, 3, 3});
}

TEST_CASE("what is shielded is not stopped from above, and what has a token of its own only by that")
{
    manual_context manual;
    stop_source stop;
    stop.request_stop();
    const auto sleeps = []() -> task<int> {
        co_await sleep_for(1s);
        co_return 4;
    };
    CHECK(manual.run(shielded(sleeps()), stop.get_token()) == 4);
    CHECK_THROWS_AS(manual.run(with_stop_token(stop.get_token(), sleeps())), operation_cancelled);
    CHECK_THROWS_AS(manual.run(also_stopped_by(stop.get_token(), sleeps())), operation_cancelled);
    CHECK_THROWS_AS(manual.run(also_stopped_by({}, sleeps()), stop.get_token()), operation_cancelled);
    stop_source other;
    CHECK(manual.run(also_stopped_by(other.get_token(), sleeps())) == 4);
    CHECK(manual.run(with_stop_token(other.get_token(), sleeps()), stop.get_token()) == 4);
}
