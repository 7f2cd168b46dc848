#include "support/tasks.hpp"

#include <tandem/combine/when_all.hpp>
#include <tandem/sync/one_shot_event.hpp>
#include <tandem/task/awaitable.hpp>
#include <tandem/task/sync_wait.hpp>

#include <doctest/doctest.h>

#include <coroutine>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

using namespace tandem;
using namespace tandem::test;

namespace {

// An awaiter itself.
struct ready {
    int value;
    static constexpr bool await_ready() noexcept { return true; }
    static void await_suspend(std::coroutine_handle<>) noexcept {}
    [[nodiscard]] int await_resume() const noexcept { return value; }
};
// With a member, which wants an rvalue.
struct with_member {
    int value;
    ready operator co_await() && noexcept { return {value}; }
};
// With a function beside it.
struct with_function {
    int value;
};
[[maybe_unused]] ready operator co_await(with_function w) noexcept { return {w.value}; }

// What it gives is a reference into itself.
struct gives_rvalue {
    explicit gives_rvalue(const char* t) : text(t) {} // no aggregate: GCC 12 destroys those twice when they are awaited
    struct awaiter {
        std::string* text;
        static constexpr bool await_ready() noexcept { return true; }
        static void await_suspend(std::coroutine_handle<>) noexcept {}
        [[nodiscard]] std::string&& await_resume() const noexcept { return std::move(*text); }
    };
    awaiter operator co_await() && noexcept { return {&text}; }
    std::string text;
};
struct gives_lvalue {
    int* object;
    static constexpr bool await_ready() noexcept { return true; }
    static void await_suspend(std::coroutine_handle<>) noexcept {}
    [[nodiscard]] int& await_resume() const noexcept { return *object; }
};

// Not awaitable by itself; the adaptor below makes it so.
struct adapted {
    int value;
};
// Neither this nor that.
struct no_awaiter {
    [[nodiscard]] bool await_ready() const { return true; }
};

} // namespace

template <>
struct tandem::awaitable_adaptor<adapted> {
    static task<int> transform(adapted a) { return number(a.value); }
};

static_assert(awaitable<task<>>);
static_assert(awaitable<task<int&>>);
static_assert(!awaitable<task<int>&>, "a task is awaited as an rvalue");
static_assert(awaitable<ready>);
static_assert(awaitable<with_member>);
static_assert(!awaitable<with_member&>);
static_assert(awaitable<with_function>);
static_assert(awaitable<adapted>);
static_assert(awaitable<one_shot_event&>);
static_assert(awaitable<decltype(when_all(number(1), number(2)))>);
static_assert(awaitable<decltype(this_task::stop_token())>);
static_assert(!awaitable<int>);
static_assert(!awaitable<no_awaiter>);
static_assert(!awaitable<std::string>);

static_assert(std::is_same_v<await_result_t<task<>>, void>);
static_assert(std::is_same_v<await_result_t<task<int>>, int>);
static_assert(std::is_same_v<await_result_t<task<int&>>, int&>);
static_assert(std::is_same_v<await_result_t<with_function>, int>);
static_assert(std::is_same_v<await_result_t<adapted>, int>);
static_assert(std::is_same_v<await_result_t<decltype(when_all(number(1)))>, std::tuple<int>>);

static_assert(is_task<task<int>>);
static_assert(!is_task<ready>);
static_assert(std::is_same_v<task_for<task<int>>, task<int>>);
static_assert(std::is_same_v<task_for<ready>, task<int>>);
static_assert(std::is_same_v<task_for<gives_rvalue>, task<std::string>>, "a reference into what goes away would dangle");
static_assert(std::is_same_v<task_for<gives_lvalue>, task<int&>>);

TASK_TEST_CASE("a task awaits whatever is awaitable")
{
    const int a = co_await ready{1};
    const int b = co_await with_member{2};
    const int c = co_await with_function{3};
    const int d = co_await adapted{4};
    CHECK(a == 1);
    CHECK(b == 2);
    CHECK(c == 3);
    CHECK(d == 4);
    const std::string s = co_await gives_rvalue("a text that is too long to be kept in place");
    CHECK(s == "a text that is too long to be kept in place");
}

TASK_TEST_CASE("as_task makes a task of an awaitable")
{
    auto t = as_task(with_member{7});
    static_assert(std::is_same_v<decltype(t), task<int>>);
    const int seven = co_await std::move(t);
    CHECK(seven == 7);

    auto text = as_task(gives_rvalue("a text that is too long to be kept in place"));
    const std::string s = co_await std::move(text);
    CHECK(s == "a text that is too long to be kept in place");

    int object = 0;
    auto reference = as_task(gives_lvalue{&object});
    int& r = co_await std::move(reference);
    CHECK(&r == &object);

    auto none = as_task(this_task::stop_token());
    const stop_token token = co_await std::move(none);
    CHECK_FALSE(token.stop_requested());

    auto four = as_task(adapted{4});
    const int n = co_await std::move(four);
    CHECK(n == 4);
}

TASK_TEST_CASE("as_task of a task is that task")
{
    bool ran = false;
    const auto sets = [](bool& flag) -> task<> {
        flag = true;
        co_return;
    };
    auto t = as_task(sets(ran));
    CHECK_FALSE(ran);
    co_await std::move(t);
    CHECK(ran);
}

TASK_TEST_CASE("what a task has inherited is there without suspending")
{
    const stop_token token = co_await this_task::stop_token();
    CHECK(token.stop_possible());
    environment& env = co_await this_task::current_environment();
    CHECK(env.ctx == &manual);
    CHECK(env.stop.get_token() == token);
}
