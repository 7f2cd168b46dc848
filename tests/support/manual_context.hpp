// A context that runs on the test's own thread, job by job, with a clock of its own; and test cases whose body is a coroutine on it.
#pragma once

#include <tandem/sync/sleep.hpp>
#include <tandem/task/awaitable.hpp>
#include <tandem/task/task.hpp>
#include <tandem/task/timer_wheel.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <coroutine>
#include <cstdint>
#include <deque>
#include <stdexcept>
#include <thread>
#include <utility>

namespace tandem::test {

/// Thrown by `manual_context::run` when the task waits and there is nobody left to wake it.
class stuck : public std::logic_error {
public:
    stuck() : std::logic_error("the task can never finish: it waits, and no job is queued and nobody sleeps") {}
};

/// A queue of jobs and a clock. `run` executes the jobs one after the other, oldest first; when none is left it moves the clock on to
/// the first who sleeps, so that no test of time takes any. One thread only: use from another thread is an error.
class manual_context final : public context {
public:
    using duration = std::chrono::nanoseconds;

    manual_context() = default;

    void post(job& j) noexcept override
    {
        check_thread();
        jobs_.push_back(&j);
    }

    /// Executes one job, or wakes one sleeper when there is none; false when there is neither.
    bool step() noexcept;

    /// Runs `a` until it has ended, and gives its value or throws what it threw; throws `stuck` when it can never end.
    template <awaitable A>
    auto run(A a, stop_token stop = {}) -> await_result_t<A>;

    /// How long the clock has run.
    [[nodiscard]] duration now() const noexcept { return now_; }
    /// The library's own, for tests that read better when they say on what clock.
    [[nodiscard]] auto sleep_for(duration d) const noexcept { return tandem::sleep_for(d); }
    [[nodiscard]] auto yield() const noexcept { return tandem::yield(); }

    [[nodiscard]] std::int64_t now_ns() const noexcept override { return now_.count(); }
    bool start_timer(timer& t) noexcept override
    {
        check_thread();
        return timers_.start(t);
    }
    bool stop_timer(timer& t) noexcept override
    {
        check_thread();
        return timers_.stop(t);
    }

private:
    void check_thread() const
    {
        if (std::this_thread::get_id() != thread_)
            FAIL("a manual_context was used from another thread");
    }

    std::thread::id thread_ = std::this_thread::get_id();
    std::deque<job*> jobs_;
    duration now_{0};
    timer_wheel timers_;
};

/// A test case whose body is a coroutine: it may co_await, and `manual` is the manual_context that it runs on. Fails when the body
/// can never finish. The body must have a co_await or a co_return in it.
///
///     TASK_TEST_CASE("sleeping takes time") { co_await sleep_for(1s); CHECK(manual.now() == 1s); }
#define TASK_TEST_CASE(...) TANDEM_TASK_TEST_CASE(DOCTEST_ANONYMOUS(tandem_task_test_case_), __VA_ARGS__)
#define TANDEM_TASK_TEST_CASE(body, ...)                                                                                           \
    static tandem::task<> body(tandem::test::manual_context& manual);                                                              \
    TEST_CASE(__VA_ARGS__)                                                                                                         \
    {                                                                                                                              \
        tandem::test::manual_context manual;                                                                                       \
        manual.run(body(manual));                                                                                                  \
    }                                                                                                                              \
    static tandem::task<> body([[maybe_unused]] tandem::test::manual_context& manual)

// -----------------------------------------------------------------------------------------------

inline bool manual_context::step() noexcept
{
    if (jobs_.empty()) {
        if (timers_.empty())
            return false;
        // To when the first comes; the wheel may want to be looked at several times on the way.
        timer* t = nullptr;
        while (!(t = timers_.pop_expired(timers_.next_look())))
            ;
        now_ = std::max(now_, duration(t->deadline_ns)); // it may have been started late
        t->ctx->post(*t);
    }
    job* const j = jobs_.front();
    jobs_.pop_front();
    j->execute();
    return true;
}

template <awaitable A>
auto manual_context::run(A a, stop_token stop) -> await_result_t<A>
{
    struct root final : completion {
        root() noexcept : completion(&task_ended) {}
        static std::coroutine_handle<> task_ended(completion* c, const std::exception_ptr&) noexcept
        {
            static_cast<root*>(c)->ended = true;
            return std::noop_coroutine();
        }
        bool ended = false;
    };

    environment env{*this, stop};
    root r;
    auto t = as_task(std::move(a)); // the last, so that a task that is stuck goes before what it refers to
    resume(detail::task_access::prepare(t, env, r));
    while (!r.ended)
        if (!step())
            throw stuck();
    return detail::task_access::take(t);
}

} // namespace tandem::test
