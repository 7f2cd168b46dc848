#pragma once

#include <tandem/sync/sleep.hpp>
#include <tandem/task/awaitable.hpp>
#include <tandem/task/task.hpp>
#include <tandem/task/timer_wheel.hpp>
#include <tandem/task/waiting.hpp>

#include <chrono>
#include <coroutine>
#include <cstdint>
#include <deque>
#include <string>
#include <thread>
#include <utility>

namespace tandem {

/// For tests: a queue of jobs and a clock. `run` executes the jobs one after the other, oldest first; when none is left it moves the clock
/// on to the first who sleeps, so that no test of time takes any. A task that can never end is found out, and with it who waits for what.
///
/// Thread safety: none; use from a thread other than the one that made it ends the program. Lifetime: it outlives its tasks. Cost: each
/// wait takes a lock of the process and allocates.
///
///     tandem::manual_context manual;
///     manual.run(sends_a_heartbeat_every_hour(connection)); // in no time, and the same each time
class manual_context final : public context {
public:
    using duration = std::chrono::nanoseconds;

    manual_context() noexcept;
    ~manual_context();

    /// Runs `a` until it has ended, and gives its value or throws what it threw. When it waits and nobody is left who could wake it, throws
    /// would_deadlock, whose what() is a line and the tree of the tasks that wait (as `waiting_tasks`), and destroys it.
    template <awaitable A>
    auto run(A a, stop_token stop = {}) -> await_result_t<A>;

    /// Executes one job, or wakes one sleeper when there is none; false when there is neither.
    bool step() noexcept;

    /// How long the clock has run.
    [[nodiscard]] duration now() const noexcept { return now_; }
    /// The library's own, for tests that read better when they say on what clock.
    [[nodiscard]] auto sleep_for(duration d) const noexcept { return tandem::sleep_for(d); }
    [[nodiscard]] auto yield() const noexcept { return tandem::yield(); }

    /// The tasks that wait here, each on a line of its own below the one that awaits it: its name (`named`), its function and the line of the
    /// co_await that it stands at, and what it waits for. Between two steps, or from within a task.
    [[nodiscard]] std::string waiting_tasks() const;

    void post(job& j) noexcept override;
    bool start_timer(timer& t) noexcept override;
    bool stop_timer(timer& t) noexcept override;
    [[nodiscard]] std::int64_t now_ns() const noexcept override { return now_.count(); }
    /// On its thread: for who would block there for what only this context can make.
    [[nodiscard]] bool would_deadlock_here() const noexcept override;

private:
    void check_thread() const noexcept;
    [[noreturn]] void throw_stuck(std::coroutine_handle<> root) const;

    const std::thread::id thread_ = std::this_thread::get_id();
    std::deque<job*> jobs_;
    duration now_{0};
    timer_wheel timers_;
    detail::wait_log waits_;
};

// -----------------------------------------------------------------------------------------------

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
    const std::coroutine_handle<> h = detail::task_access::prepare(t, env, r);
    resume(h);
    while (!r.ended)
        if (!step())
            throw_stuck(h);
    return detail::task_access::take(t);
}

} // namespace tandem
