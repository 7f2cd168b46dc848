#pragma once

#include <tandem/base/errc.hpp>
#include <tandem/task/task.hpp>

#include <atomic>
#include <coroutine>
#include <cstdint>
#include <optional>

namespace tandem {

/// Becomes set once, and wakes the one who waits for it: a blocked thread, a coroutine, or a function. One waiter at a time.
///
/// Thread safety: `set` from any thread, once; one other thread may wait meanwhile. `set` touches nothing of the event once the
/// waiter can know, so the waiter may destroy it. Cost: one word; no allocation; `set` without a waiter is one exchange.
class one_shot_event {
public:
    /// A waiter: `notify_` is called once by `set`, on its thread. It may destroy the event and the waiter.
    struct waiter {
        using function = void(waiter*) noexcept;
        explicit waiter(function* f) noexcept : notify_(f) {}
        function* notify_;
    };

    one_shot_event() noexcept = default;
    one_shot_event(const one_shot_event&) = delete;
    one_shot_event& operator=(const one_shot_event&) = delete;

    void set() noexcept
    {
        // acq_rel: publishes what became ready; sees the waiter as it was built
        const std::uintptr_t w = slot_.exchange(is_set_mark, std::memory_order_acq_rel);
        if (w > cancel_mark)
            to_waiter(w)->notify_(to_waiter(w));
    }

    [[nodiscard]] bool is_set() const noexcept { return slot_.load(std::memory_order_acquire) == is_set_mark; }

    /// Enters `w` as the waiter; false, and not entered, when the event is set already.
    [[nodiscard]] bool subscribe(waiter& w) noexcept
    {
        std::uintptr_t s = 0;
        // acq_rel: success publishes the waiter, failure sees what became ready
        const bool entered = slot_.compare_exchange_strong(s, to_slot(&w), std::memory_order_acq_rel, std::memory_order_acquire);
        TANDEM_ASSERT(entered || s <= cancel_mark, "one_shot_event: one waiter at a time");
        return entered;
    }
    /// Takes `w` out; false when `set` was faster, and then notifies it or has done so.
    [[nodiscard]] bool withdraw(waiter& w) noexcept
    {
        std::uintptr_t s = to_slot(&w);
        return slot_.compare_exchange_strong(s, 0, std::memory_order_acq_rel, std::memory_order_acquire);
    }

    /// Blocks this thread until the event is set. On a pool's worker another thread takes the worker's place meanwhile.
    void wait() noexcept;
    /// As `wait`, up to a point of std::chrono::steady_clock, in nanoseconds since its epoch; false when that came first.
    [[nodiscard]] bool wait_until(std::int64_t steady_ns) noexcept;

    class awaiter;
    /// `co_await event`: throws operation_cancelled when the task is asked to stop first. The task resumes on its own context.
    [[nodiscard]] awaiter operator co_await() noexcept;
    /// `co_await event.uninterrupted()`: the same, but waits to the end whatever the task is asked.
    [[nodiscard]] auto uninterrupted() noexcept;

private:
    static constexpr std::uintptr_t is_set_mark = 1;
    static constexpr std::uintptr_t cancel_mark = 2; // the coroutine about to subscribe was asked to stop

    static waiter* to_waiter(std::uintptr_t s) noexcept { return reinterpret_cast<waiter*>(s); }
    static std::uintptr_t to_slot(waiter* w) noexcept { return reinterpret_cast<std::uintptr_t>(w); }

    std::atomic<std::uintptr_t> slot_{0};
};

class one_shot_event::awaiter : job, waiter {
public:
    awaiter(one_shot_event& e, bool interruptible) noexcept
        : job(&resume_task), waiter(&on_set), event_(e), interruptible_(interruptible)
    {
    }

    ~awaiter()
    {
        if (context_) { // destroyed in its wait
            end_wait();
            static_cast<void>(event_.withdraw(*this));
        }
    }

    [[nodiscard]] bool await_ready() const noexcept { return event_.is_set(); }

    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise> h) noexcept
    {
        return suspend(h, detail::environment_of(h));
    }

    void await_resume()
    {
        if (context_)
            end_wait();
        if (cancelled_)
            throw operation_cancelled("a task was asked to stop while it waited for a result");
    }

private:
    struct on_stop {
        awaiter* self;
        void operator()() const noexcept { self->stop_requested(); }
    };

    struct kind;

    bool suspend(std::coroutine_handle<> h, environment& env) noexcept;
    void end_wait() noexcept;
    void stop_requested() noexcept;
    static void resume_task(job* j) noexcept { tandem::resume(static_cast<awaiter*>(j)->handle_); }
    static void on_set(waiter* w) noexcept
    {
        awaiter* const self = static_cast<awaiter*>(w);
        self->context_->post(*self);
    }

    one_shot_event& event_;
    std::coroutine_handle<> handle_;
    context* context_ = nullptr; // while it waits
    std::optional<stop_callback<on_stop>> stop_callback_;
    bool interruptible_;
    bool cancelled_ = false;
};

inline one_shot_event::awaiter one_shot_event::operator co_await() noexcept { return {*this, true}; }
inline auto one_shot_event::uninterrupted() noexcept
{
    struct wait {
        one_shot_event& event;
        awaiter operator co_await() const noexcept { return {event, false}; }
    };
    return wait{*this};
}

} // namespace tandem
