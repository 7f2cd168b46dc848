// What a task inherits, from a task or from a coroutine of another kind.
#include "support/tasks.hpp"

#include <tandem/task/task.hpp>

#include <doctest/doctest.h>

#include <coroutine>
#include <exception>
#include <stdexcept>
#include <thread>

using namespace tandem;
using namespace tandem::test;

namespace {

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
