// What a task gives.
#include "support/tasks.hpp"
#include "support/tracked.hpp"

#include <tandem/task/task.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <optional>
#include <string>
#include <type_traits>

using namespace tandem;
using namespace tandem::test;

static_assert(!std::is_copy_constructible_v<task<int>>);
static_assert(!std::is_copy_assignable_v<task<int>>);
static_assert(std::is_nothrow_move_constructible_v<task<int>>);
static_assert(std::is_nothrow_move_assignable_v<task<int>>);
static_assert(sizeof(task<int>) == sizeof(void*));
static_assert(std::is_same_v<task<>, task<void>>);
static_assert(std::is_same_v<task<int&>::value_type, int&>);

TASK_TEST_CASE("a task gives its value")
{
    const int n = co_await number(3);
    CHECK(n == 3);
    const std::string s = co_await text("a text that is too long to be kept in place");
    CHECK(s == "a text that is too long to be kept in place");
    co_await nothing();
}

TASK_TEST_CASE("a task may be awaited in the middle of an expression")
{
    const int sum = co_await number(1) + co_await number(2) * co_await number(3);
    CHECK(sum == 7);
    const std::string joined = co_await text("first, ") + co_await text("then");
    CHECK(joined == "first, then");
    int steps = 0;
    while (co_await number(steps) < 4)
        ++steps;
    CHECK(steps == 4);
    const int nested = co_await number(co_await number(co_await number(9)));
    CHECK(nested == 9);
}

TASK_TEST_CASE("a value is moved out, and lives as long as it is needed")
{
    tally t;
    const auto make = [](tally& counts) -> task<tracked> { co_return tracked(counts, 8); };
    {
        const tracked value = co_await make(t);
        CHECK(value.value == 8);
        CHECK(t.alive == 1);
        CHECK(t.copies == 0);
        CHECK(t.moves == 2); // into the frame, and out of it
    }
    CHECK(t.alive == 0);
}

TASK_TEST_CASE("a value that nobody takes is destroyed with the task")
{
    tally t;
    const auto make = [](tally& counts) -> task<tracked> { co_return tracked(counts); };
    {
        auto unused = make(t);
        co_await make(t);
        CHECK(t.alive == 0);
    }
    CHECK(t.alive == 0);
    CHECK(t.copies == 0);
}

TASK_TEST_CASE("a task gives what can only be moved, and what has no default constructor")
{
    const auto make = [](int n) -> task<std::unique_ptr<int>> { co_return std::make_unique<int>(n); };
    const std::unique_ptr<int> p = co_await make(4);
    CHECK(*p == 4);

    struct from_int {
        explicit from_int(int n) : value(n) {}
        from_int(from_int&&) = default;
        from_int& operator=(from_int&&) = delete;
        int value;
    };
    const auto explicitly = []() -> task<from_int> { co_return 5; };
    const from_int five = co_await explicitly();
    CHECK(five.value == 5);
}

TASK_TEST_CASE("a value may be given as a braced list")
{
    struct point {
        int x = 0;
        std::string name = {};
    };
    const auto make = []() -> task<point> { co_return {2, "two"}; };
    const point p = co_await make();
    CHECK(p.x == 2);
    CHECK(p.name == "two");
    const auto none = []() -> task<std::optional<int>> { co_return {}; };
    const std::optional<int> empty = co_await none();
    CHECK_FALSE(empty);
}

TASK_TEST_CASE("a task gives a reference as it is")
{
    int object = 1;
    const auto same = [](int& i) -> task<int&> { co_return i; };
    int& reference = co_await same(object);
    CHECK(&reference == &object);
    co_await same(object) = 7;
    CHECK(object == 7);

    struct base {
        int b = 1;
    };
    struct derived : base {};
    derived d;
    const auto as_base = [](derived& x) -> task<const base&> { co_return x; };
    const base& b = co_await as_base(d);
    CHECK(&b == &d);
}
