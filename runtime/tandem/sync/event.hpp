#pragma once

#include <tandem/sync/detail/wait_queue.hpp>

namespace tandem {

/// A switch that tasks wait for: `set` lets all through, those who wait and those who come later, until `reset`.
///
/// Cancellation: a wait throws operation_cancelled when the task is asked to stop; a wait for an event that is set does not look.
/// Thread safety: all members, from any thread and context. A task resumes on its own context, in the order of waiting; by then the
/// event may have been reset. What was done before `set` is visible to whoever it lets through.
/// Lifetime: it outlives the waits; `set` touches nothing of it once somebody can know, so a single waiter may destroy it.
/// Cost: no allocation; a wait for an event that is set is one load.
///
///     tandem::event configured;
///     co_await configured.wait(); // and elsewhere: configured.set();
class event {
public:
    class wait_operation;

    explicit event(bool set = false) noexcept : queue_(set ? 1 : 0) {}
    event(const event&) = delete;
    event& operator=(const event&) = delete;

    void set() noexcept
    {
        if (!queue_.try_change([](auto) { return detail::wait_queue::number{1}; }))
            set_and_wake();
    }
    /// From now on waits wait. Those who were let through already are not held back.
    void reset() noexcept;
    [[nodiscard]] bool is_set() const noexcept { return queue_.value() != 0; }

    /// `co_await e.wait()`: until the event is set.
    [[nodiscard("co_await it")]] wait_operation wait() noexcept;

private:
    class awaiter;

    static bool take(detail::wait_queue::number& set) noexcept { return set != 0; }
    void set_and_wake() noexcept;

    detail::wait_queue queue_; // 1: set
};

class event::awaiter final : public detail::wait_queue::waiter {
public:
    explicit awaiter(event& e) noexcept : waiter(e.queue_, &take), event_(e) {}
    ~awaiter()
    {
        if (still_waiting())
            static_cast<void>(abandon());
    }
    [[nodiscard]] bool await_ready() const noexcept { return event_.is_set(); }
    void await_resume() { finish("a task was asked to stop while it waited for an event"); }

private:
    [[nodiscard]] const char* waits_for() const noexcept override { return "event"; }

    event& event_;
};

class [[nodiscard("co_await it")]] event::wait_operation {
public:
    awaiter operator co_await() const noexcept { return awaiter(event_); }

private:
    friend event;
    explicit wait_operation(event& e) noexcept : event_(e) {}

    event& event_;
};

inline event::wait_operation event::wait() noexcept { return wait_operation(*this); }

} // namespace tandem
