// Coroutines that are resumed behind the runtime's back, with handle.resume(), between those that it resumes itself.
#include "support/tasks.hpp"

#include <tandem/sync/one_shot_event.hpp>
#include <tandem/task/sync_wait.hpp>
#include <tandem/task/transfer.hpp>

#include <doctest/doctest.h>

#include <coroutine>
#include <exception>
#include <utility>
#include <vector>

using namespace tandem;
using namespace tandem::test;

namespace {

// A coroutine that starts when it is first resumed, with its own handle.resume().
struct foreign {
    struct promise_type {
        foreign get_return_object() { return foreign(std::coroutine_handle<promise_type>::from_promise(*this)); }
        static std::suspend_always initial_suspend() noexcept { return {}; }
        static std::suspend_always final_suspend() noexcept { return {}; }
        void return_void() noexcept {}
        void unhandled_exception() noexcept { std::terminate(); }
    };
    explicit foreign(std::coroutine_handle<promise_type> h) : handle(h) {}
    foreign(foreign&& other) noexcept : handle(std::exchange(other.handle, nullptr)) {}
    foreign& operator=(foreign&&) = delete;
    ~foreign()
    {
        if (handle)
            handle.destroy();
    }
    void resume() const { handle.resume(); }
    [[nodiscard]] bool done() const { return handle.done(); }
    std::coroutine_handle<promise_type> handle;
};

task<int> through(int n) { co_return co_await number(n) + co_await number(0); }

foreign awaits(int n, std::vector<int>& into)
{
    into.push_back(co_await through(n));
    into.push_back(co_await through(n));
}

foreign waits(one_shot_event& e, std::vector<int>& into, int n)
{
    const auto inner = [](one_shot_event& event, int k) -> task<int> {
        co_await event;
        co_return k;
    };
    into.push_back(co_await inner(e, n));
}

// A chain of the kind that awaiters make: each hands over to the next.
struct hand_over {
    std::coroutine_handle<> next;
    static constexpr bool await_ready() noexcept { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<>) const noexcept { return transfer(next); }
    void await_resume() const noexcept {}
};
foreign link(std::vector<int>& into, int n, std::coroutine_handle<> next)
{
    into.push_back(n);
    co_await hand_over{next};
    into.push_back(-n);
}

} // namespace

TEST_CASE("resume runs a chain of coroutines up to where it suspends")
{
    std::vector<int> order;
    foreign c = link(order, 3, std::noop_coroutine());
    foreign b = link(order, 2, c.handle);
    foreign a = link(order, 1, b.handle);
    tandem::resume(a.handle);
    CHECK(order == std::vector{1, 2, 3});
    tandem::resume(b.handle);
    CHECK(order == std::vector{1, 2, 3, -2});
    CHECK(b.done());
    CHECK_FALSE(a.done());
}

TEST_CASE("resume of a no-op handle returns") { tandem::resume(std::noop_coroutine()); }

TEST_CASE("a coroutine resumed from outside runs its tasks before resume() returns")
{
    std::vector<int> got;
    const foreign f = awaits(1, got);
    f.resume();
    CHECK(f.done());
    CHECK(got == std::vector{1, 1});
}

TASK_TEST_CASE("a task resumes a foreign coroutine that awaits tasks")
{
    std::vector<int> got;
    const foreign f = awaits(1, got);
    f.resume();
    co_await manual.yield(); // done by now at the latest
    CHECK(f.done());
    CHECK(got == std::vector{1, 1});
}

TASK_TEST_CASE("a task resumes several of them, and goes on awaiting in between")
{
    std::vector<int> got;
    const foreign a = awaits(1, got);
    const foreign b = awaits(2, got);
    const foreign c = awaits(3, got);
    a.resume();
    b.resume();
    const int n = co_await through(10);
    CHECK(n == 10);
    c.resume();
    const int m = co_await number(11);
    CHECK(m == 11);
    co_await manual.yield();
    CHECK(a.done());
    CHECK(b.done());
    CHECK(c.done());
    CHECK(got.size() == 6);
}

TEST_CASE("a task ends, and its awaiting one goes on, with a foreign coroutine half way")
{
    std::vector<int> got;
    std::vector<foreign> kept;
    const auto starts = [&](int n) -> task<int> {
        kept.push_back(awaits(n, got));
        kept.back().resume();
        co_return n;
    };
    const auto outer = [&]() -> task<int> {
        int sum = 0;
        for (int n = 0; n < 10; ++n)
            sum += co_await starts(n);
        co_return sum;
    };
    SUBCASE("in sync_wait") { CHECK(sync_wait(outer()) == 45); }
    SUBCASE("in a manual_context") { CHECK(manual_context().run(outer()) == 45); }
    for (const foreign& f : kept)
        CHECK(f.done());
    CHECK(got.size() == 20);
}

TEST_CASE("foreign coroutines within tasks within foreign coroutines")
{
    struct nest {
        static foreign outer(int depth, int& count)
        {
            co_await inner(depth, count);
            ++count;
        }
        static task<> inner(int depth, int& count)
        {
            if (depth == 0)
                co_return;
            const foreign f = outer(depth - 1, count);
            f.resume();
            co_await number(1);
            while (!f.done())
                co_await number(1);
        }
    };
    int count = 0;
    const foreign f = nest::outer(50, count);
    f.resume();
    CHECK(f.done());
    CHECK(count == 51);
}

TASK_TEST_CASE("a foreign coroutine is woken by an event that a task sets")
{
    std::vector<int> got;
    one_shot_event first;
    one_shot_event second;
    const foreign a = waits(first, got, 1);
    const foreign b = waits(second, got, 2);
    a.resume();
    b.resume();
    co_await number(0);
    CHECK(got.empty());
    second.set();
    first.set();
    co_await number(0);
    co_await manual.yield();
    CHECK(a.done());
    CHECK(b.done());
    CHECK(got == std::vector{2, 1});
}

TEST_CASE("sync_wait within a task does not disturb the tasks around it")
{
    const auto inner = [](int n) -> task<int> {
        const int in_between = sync_wait(through(n));
        co_return in_between + co_await through(1);
    };
    const auto outer = [&]() -> task<int> { co_return co_await inner(5) + sync_wait(inner(6)) + co_await number(7); };
    CHECK(sync_wait(outer()) == 20);
}
