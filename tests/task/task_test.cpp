#include "support/manual_context.hpp"
#include "support/tracked.hpp"

#include <tandem/task/sync_wait.hpp>
#include <tandem/task/task.hpp>

#include <doctest/doctest.h>

#include <coroutine>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using namespace tandem;
using namespace tandem::test;

namespace {

task<int> number(int n) { co_return n; }
task<std::string> text(std::string s) { co_return s; }
task<> nothing() { co_return; }

template <class T>
task<T> after_a_yield(manual_context& manual, T value)
{
    co_await manual.yield();
    co_return value;
}

// A coroutine type that knows nothing of Tandem: it starts at once and is resumed by whoever likes.
struct foreign {
    struct promise_type {
        foreign get_return_object() { return foreign(std::coroutine_handle<promise_type>::from_promise(*this)); }
        static std::suspend_never initial_suspend() noexcept { return {}; }
        static std::suspend_always final_suspend() noexcept { return {}; }
        void return_void() noexcept {}
        void unhandled_exception() noexcept { error = std::current_exception(); }
        std::exception_ptr error;
    };
    explicit foreign(std::coroutine_handle<promise_type> h) : handle(h) {}
    foreign(const foreign&) = delete;
    foreign& operator=(const foreign&) = delete;
    ~foreign() { handle.destroy(); }
    std::coroutine_handle<promise_type> handle;
};

} // namespace

static_assert(!std::is_copy_constructible_v<task<int>>);
static_assert(!std::is_copy_assignable_v<task<int>>);
static_assert(std::is_nothrow_move_constructible_v<task<int>>);
static_assert(std::is_nothrow_move_assignable_v<task<int>>);
static_assert(sizeof(task<int>) == sizeof(void*));
static_assert(std::is_same_v<task<>, task<void>>);
static_assert(std::is_same_v<task<int&>::value_type, int&>);

// --- what a task gives -------------------------------------------------------------------------

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

// --- exceptions --------------------------------------------------------------------------------

TASK_TEST_CASE("what a task throws is rethrown as it was thrown")
{
    const auto fails = [](bool late, manual_context& m) -> task<int> {
        if (late)
            co_await m.yield();
        throw std::out_of_range("thrown in the task");
    };
    for (const bool late : {false, true}) {
        std::string caught;
        try {
            co_await fails(late, manual);
        }
        catch (const std::out_of_range& e) {
            caught = e.what();
        }
        CHECK(caught == "thrown in the task");
    }
}

TASK_TEST_CASE("the exception is the same object, of any type, however deep it was thrown")
{
    struct not_an_exception {
        const void* self;
    };
    static const void* thrown;
    struct nested {
        static task<> throws(int depth)
        {
            if (depth > 0)
                co_await throws(depth - 1);
            not_an_exception e{nullptr};
            throw e;
        }
        static task<> passes(std::exception_ptr& e)
        {
            try {
                co_await throws(10);
            }
            catch (not_an_exception& x) {
                x.self = &x;
                thrown = &x;
                e = std::current_exception();
                throw;
            }
        }
    };
    std::exception_ptr inner;
    bool same = false;
    try {
        co_await nested::passes(inner);
    }
    catch (const not_an_exception& x) {
        same = x.self == thrown && std::current_exception() == inner;
    }
    CHECK(same);
}

TASK_TEST_CASE("a reference and a nothing can fail too")
{
    const auto reference = []() -> task<int&> {
        throw std::runtime_error("no reference");
        co_return *static_cast<int*>(nullptr); // NOLINT: makes it a coroutine
    };
    const auto none = []() -> task<> {
        throw std::runtime_error("nothing");
        co_return;
    };
    int caught = 0;
    try {
        co_await reference();
    }
    catch (const std::runtime_error&) {
        ++caught;
    }
    try {
        co_await none();
    }
    catch (const std::runtime_error&) {
        ++caught;
    }
    CHECK(caught == 2);
}

TASK_TEST_CASE("what the value's constructor throws is the task's error")
{
    struct throws {
        explicit throws(int) { throw std::runtime_error("no value"); }
    };
    const auto make = []() -> task<throws> { co_return 1; };
    bool caught = false;
    try {
        co_await make();
    }
    catch (const std::runtime_error&) {
        caught = true;
    }
    CHECK(caught);
}

TASK_TEST_CASE("locals are destroyed when the task ends, not when it is awaited")
{
    tally t;
    const auto holds = [](tally& counts, manual_context& m) -> task<> {
        const tracked local(counts);
        co_await m.yield();
    };
    auto held = holds(t, manual);
    CHECK(t.alive == 0);
    co_await std::move(held);
    CHECK(t.alive == 0); // `held` still holds the frame, but not the local
}

// --- lazy, and owned by one --------------------------------------------------------------------

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

// --- context and stop token --------------------------------------------------------------------

TEST_CASE("a task inherits the context and the stop token of the one that awaits it")
{
    struct seen {
        static task<> inner(context*& c, stop_token& t)
        {
            c = (co_await this_task::current_environment()).ctx;
            t = co_await this_task::stop_token();
        }
        static task<> outer(context*& c, stop_token& t)
        {
            co_await inner(c, t);
            const stop_token own = co_await this_task::stop_token();
            CHECK(own == t);
        }
    };
    manual_context manual;
    stop_source stop;
    context* c = nullptr;
    stop_token t;
    // Asked while the task runs: its environment is gone with `run`.
    const auto body = [&]() -> task<> {
        co_await seen::outer(c, t);
        CHECK(c == &manual);
        CHECK(t.stop_possible());
        CHECK_FALSE(t.stop_requested());
        stop.request_stop();
        CHECK(t.stop_requested());
    };
    manual.run(body(), stop.get_token());
}

TEST_CASE("a stop request that nobody looks at changes nothing")
{
    manual_context manual;
    stop_source stop;
    stop.request_stop();
    CHECK(manual.run(after_a_yield(manual, 3), stop.get_token()) == 3);
}

// --- from a foreign coroutine ------------------------------------------------------------------

TEST_CASE("a foreign coroutine awaits a task")
{
    int got = 0;
    const auto awaits = [](int& into) -> foreign { into = co_await number(6) + co_await number(7); };
    const foreign f = awaits(got);
    CHECK(f.handle.done());
    CHECK(got == 13);
}

TEST_CASE("a foreign coroutine catches what a task throws")
{
    bool caught = false;
    const auto throws = []() -> task<> {
        throw std::runtime_error("thrown");
        co_return;
    };
    const auto awaits = [&]() -> foreign {
        try {
            co_await throws();
        }
        catch (const std::runtime_error&) {
            caught = true;
        }
    };
    const foreign f = awaits();
    CHECK(f.handle.done());
    CHECK(caught);
}

TEST_CASE("a task awaited by a foreign coroutine resumes where it is woken, and is never stopped")
{
    struct park {
        [[nodiscard]] static bool await_ready() noexcept { return false; }
        void await_suspend(std::coroutine_handle<> h) const noexcept { handle = h; }
        static void await_resume() noexcept {}
        std::coroutine_handle<>& handle;
    };
    std::coroutine_handle<> parked;
    std::thread::id woken;
    bool stoppable = true;
    const auto waits = [&]() -> task<int> {
        stoppable = (co_await this_task::stop_token()).stop_requested();
        const park p{parked};
        co_await p;
        woken = std::this_thread::get_id();
        co_return 5;
    };
    int got = 0;
    const auto awaits = [&]() -> foreign { got = co_await waits(); };
    const foreign f = awaits();
    CHECK_FALSE(f.handle.done());
    std::thread::id waker;
    std::thread other([&] {
        waker = std::this_thread::get_id();
        resume(parked);
    });
    other.join();
    CHECK(woken == waker);
    CHECK(f.handle.done());
    CHECK(got == 5);
    CHECK_FALSE(stoppable);
}
