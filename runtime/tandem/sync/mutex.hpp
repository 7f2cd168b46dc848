#pragma once

#include <tandem/sync/detail/wait_queue.hpp>

#include <utility>

namespace tandem {

/// Lets one task at a time into a section that may contain `co_await`s. While it waits a task suspends; no thread blocks.
///
/// Whoever waits gets the lock in the order of asking, handed over by the one who leaves: nobody slips in between. A task that locks
/// a mutex which it holds already waits for ever.
/// Cancellation: a wait throws operation_cancelled when the task is asked to stop; a lock that is free is taken all the same.
/// Thread safety: all members, from any thread and context. A task resumes on its own context, with the lock.
/// Lifetime: it outlives its guards and waits; a guard that goes touches nothing of it once another task can have the lock, so the
/// last one may destroy it. Cost: no allocation; two atomic operations for a lock and unlock without a wait.
///
///     tandem::mutex m;
///     auto guard = co_await m.lock(); // unlocks at the end of the scope
class mutex {
public:
    class guard;
    class lock_operation;

    mutex() noexcept : queue_(0) {}
    mutex(const mutex&) = delete;
    mutex& operator=(const mutex&) = delete;

    /// `co_await m.lock()` gives a `guard` that holds the lock.
    [[nodiscard("co_await it")]] lock_operation lock() noexcept;
    /// A guard that holds the lock, or an empty one when somebody else has it: `if (auto guard = m.try_lock())`.
    [[nodiscard("the lock is given back when the guard goes")]] guard try_lock() noexcept;
    /// Whether somebody holds the lock just now.
    [[nodiscard]] bool is_locked() const noexcept { return queue_.value() != 0; }

private:
    class awaiter;

    static bool take(detail::wait_queue::number& held) noexcept { return std::exchange(held, 1) == 0; }
    void unlock() noexcept
    {
        if (!queue_.try_change([](auto) { return detail::wait_queue::number{0}; }))
            hand_over();
    }
    void hand_over() noexcept;

    detail::wait_queue queue_; // 1: held
};

/// Holds a mutex, or nothing; unlocks when it goes. It may go on another thread than it came.
class [[nodiscard("the lock is given back when the guard goes")]] mutex::guard {
public:
    guard() noexcept = default;
    guard(guard&& other) noexcept : mutex_(std::exchange(other.mutex_, nullptr)) {}
    guard& operator=(guard&& other) noexcept
    {
        guard(std::move(other)).swap(*this);
        return *this;
    }
    ~guard() { unlock(); }

    [[nodiscard]] explicit operator bool() const noexcept { return mutex_ != nullptr; }
    /// Gives the lock back now.
    void unlock() noexcept
    {
        if (mutex* const m = std::exchange(mutex_, nullptr))
            m->unlock();
    }
    void swap(guard& other) noexcept { std::swap(mutex_, other.mutex_); }

private:
    friend mutex;
    explicit guard(mutex& m) noexcept : mutex_(&m) {}

    mutex* mutex_ = nullptr;
};

class mutex::awaiter final : public detail::wait_queue::waiter {
public:
    explicit awaiter(mutex& m) noexcept : waiter(m.queue_, &take), mutex_(m) {}
    ~awaiter()
    {
        if (still_waiting() && abandon())
            mutex_.unlock();
    }
    [[nodiscard]] bool await_ready() noexcept { return mutex_.queue_.try_take<&take>(); }
    guard await_resume()
    {
        finish("a task was asked to stop while it waited for a mutex");
        return guard(mutex_);
    }

private:
    [[nodiscard]] const char* waits_for() const noexcept override { return "mutex"; }

    mutex& mutex_;
};

class [[nodiscard("co_await it")]] mutex::lock_operation {
public:
    awaiter operator co_await() const noexcept { return awaiter(mutex_); }

private:
    friend mutex;
    explicit lock_operation(mutex& m) noexcept : mutex_(m) {}

    mutex& mutex_;
};

inline mutex::lock_operation mutex::lock() noexcept { return lock_operation(*this); }
inline mutex::guard mutex::try_lock() noexcept { return queue_.try_take<&take>() ? guard(*this) : guard(); }

} // namespace tandem
