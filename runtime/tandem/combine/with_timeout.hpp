#pragma once

#include <tandem/base/deadline.hpp>
#include <tandem/base/errc.hpp>
#include <tandem/task/awaitable.hpp>
#include <tandem/task/step_record.hpp>

#include <atomic>
#include <chrono>
#include <coroutine>
#include <cstdint>
#include <exception>
#include <optional>
#include <utility>

namespace tandem {

namespace detail {

template <class T>
class timed;

struct time_limit {
    std::int64_t ns; // from the await on, or since the clock's epoch
    bool from_now;
};

} // namespace detail

/// Runs `a` for at most `d` from the await on: gives its value, or rethrows what it threw. When the time is over `a` is asked to stop, and
/// when it has, timeout_error is thrown. What ends in time all the same, or with an error of its own, counts as it ended.
///
/// Cancellation: a stop request of the awaiting task reaches `a`. Cost: a timer that is started and stopped, some tens of nanoseconds
/// on a pool; no allocation.
template <awaitable A, class Rep, class Period>
[[nodiscard("co_await it, or co_spawn it")]] auto with_timeout(A a, std::chrono::duration<Rep, Period> d)
{
    return detail::timed<typename task_for<A>::value_type>(as_task(std::move(a)), {nanoseconds_of(d), true});
}

/// The same until a point of the steady clock.
template <awaitable A, class Duration>
[[nodiscard("co_await it, or co_spawn it")]] auto with_timeout(
    A a, std::chrono::time_point<std::chrono::steady_clock, Duration> deadline)
{
    return detail::timed<typename task_for<A>::value_type>(
        as_task(std::move(a)), {nanoseconds_of(deadline.time_since_epoch()), false});
}

// -----------------------------------------------------------------------------------------------

namespace detail {

/// The child and the timer: the parent goes on when both are done with.
class timeout_wait : completion, timer {
protected:
    explicit timeout_wait(time_limit l) noexcept : completion(&child_ended), timer(&time_is_over), limit_(l) {}
    ~timeout_wait()
    {
        if (still_waiting())
            static_cast<void>(ctx->stop_timer(*this));
    }

    template <class T>
    std::coroutine_handle<> start(task<T>& child, std::coroutine_handle<> parent, environment& parent_env) noexcept
    {
        begin(parent, parent_env);
        const std::coroutine_handle<> h = task_access::prepare(child, *env_, *this);
        now_runs(h);
        return transfer(h);
    }
    /// Throws timeout_error when `error`, what the child threw, comes of the time being over.
    void check(const std::exception_ptr& error) const;

private:
    struct kind;

    void begin(std::coroutine_handle<> parent, environment& parent_env) noexcept;
    static std::coroutine_handle<> child_ended(completion* c, const std::exception_ptr&) noexcept;
    static void time_is_over(job* j) noexcept;
    [[nodiscard]] bool last_to_arrive() noexcept;

    const time_limit limit_;
    std::optional<environment> env_;
    stop_token parent_stop_;
    std::coroutine_handle<> parent_;
    std::atomic<int> pending_{2};
    bool has_timer_ = true;
    bool timed_out_ = false; // before it arrives
};

template <class T>
class [[nodiscard("co_await it, or co_spawn it")]] timed {
public:
    timed(task<T>&& t, time_limit l) noexcept : task_(std::move(t)), limit_(l) {}

    class awaiter : timeout_wait {
    public:
        awaiter(task<T>& t, time_limit l) noexcept : timeout_wait(l), task_(t) {}
        ~awaiter()
        {
            if (waiting_)
                task_ = {}; // destroyed in its wait: before the environment
        }
        [[nodiscard]] static constexpr bool await_ready() noexcept { return false; }
        template <class Promise>
        std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> h) noexcept
        {
            waiting_ = true;
            return this->start(task_, h, environment_of(h));
        }
        T await_resume()
        {
            waiting_ = false;
            this->check(task_access::error(task_));
            return task_access::take(task_);
        }

    private:
        task<T>& task_;
        bool waiting_ = false;
    };
    awaiter operator co_await() && noexcept { return {task_, limit_}; }

private:
    task<T> task_;
    time_limit limit_;
};

} // namespace detail

} // namespace tandem
