#pragma once

#include <tandem/sync/detail/wait_queue.hpp>

#include <cstddef>

namespace tandem {

/// Counts units that tasks take and give back: at most so many at a time. While it waits a task suspends; no thread blocks.
///
/// Whoever waits gets a unit in the order of asking; nobody slips in between. A unit belongs to no task: anyone may give it back.
/// Errors: a negative number, or one that makes the count too large, throws std::invalid_argument, and nothing has changed.
/// Cancellation: a wait throws operation_cancelled when the task is asked to stop; a unit that is there is taken all the same.
/// Thread safety: all members, from any thread and context. A task resumes on its own context.
/// Lifetime: it outlives the waits; `release` touches nothing of it once a unit can be taken, so the taker may destroy it.
/// Cost: no allocation; one atomic operation to take, and one to give back, without a wait.
///
///     tandem::semaphore connections{100};
///     co_await connections.acquire();
///     …
///     connections.release();
class semaphore {
public:
    class acquire_operation;

    explicit semaphore(std::ptrdiff_t units);
    semaphore(const semaphore&) = delete;
    semaphore& operator=(const semaphore&) = delete;

    /// The most units that a semaphore counts.
    [[nodiscard]] static constexpr std::ptrdiff_t max() noexcept
    {
        return static_cast<std::ptrdiff_t>(detail::wait_queue::most >> 1);
    }

    /// `co_await s.acquire()` takes one unit.
    [[nodiscard("co_await it")]] acquire_operation acquire() noexcept;
    /// Takes one unit; false when there is none.
    [[nodiscard]] bool try_acquire() noexcept { return queue_.try_take<&take>(); }
    /// Gives units back. Those who wait take them first.
    void release(std::ptrdiff_t units = 1);
    /// How many units are there just now.
    [[nodiscard]] std::ptrdiff_t available() const noexcept { return static_cast<std::ptrdiff_t>(queue_.value()); }

private:
    class awaiter;

    static bool take(detail::wait_queue::number& units) noexcept
    {
        if (units == 0)
            return false;
        --units;
        return true;
    }

    detail::wait_queue queue_; // the units
};

class semaphore::awaiter final : public detail::wait_queue::waiter {
public:
    explicit awaiter(semaphore& s) noexcept : waiter(s.queue_, &take), semaphore_(s) {}
    ~awaiter()
    {
        if (still_waiting() && abandon())
            semaphore_.release();
    }
    [[nodiscard]] bool await_ready() const noexcept { return semaphore_.try_acquire(); }
    void await_resume() { finish("a task was asked to stop while it waited for a semaphore"); }

private:
    semaphore& semaphore_;
};

class [[nodiscard("co_await it")]] semaphore::acquire_operation {
public:
    awaiter operator co_await() const noexcept { return awaiter(semaphore_); }

private:
    friend semaphore;
    explicit acquire_operation(semaphore& s) noexcept : semaphore_(s) {}

    semaphore& semaphore_;
};

inline semaphore::acquire_operation semaphore::acquire() noexcept { return acquire_operation(*this); }

} // namespace tandem
