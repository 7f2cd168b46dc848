#pragma once

#include <tandem/sync/detail/wait_queue.hpp>

#include <cstddef>
#include <utility>

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
///     auto permit = co_await connections.acquire_scoped(); // gives it back at the end of the scope
class semaphore {
public:
    class permit;
    template <bool Scoped>
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
    [[nodiscard("co_await it")]] acquire_operation<false> acquire() noexcept;
    /// Takes one unit; false when there is none.
    [[nodiscard]] bool try_acquire() noexcept { return queue_.try_take<&take>(); }
    /// `co_await s.acquire_scoped()` takes one unit, and gives a `permit` that gives it back.
    [[nodiscard("co_await it")]] acquire_operation<true> acquire_scoped() noexcept;
    /// A permit with a unit, or an empty one when there is none: `if (auto permit = s.try_acquire_scoped())`.
    [[nodiscard("the unit is given back when the permit goes")]] permit try_acquire_scoped() noexcept;
    /// A permit for a unit that is taken already, by `acquire` or by a permit that was detached.
    [[nodiscard("the unit is given back when the permit goes")]] permit adopt() noexcept;
    /// Gives units back. Those who wait take them first.
    void release(std::ptrdiff_t units = 1);
    /// How many units are there just now.
    [[nodiscard]] std::ptrdiff_t available() const noexcept { return static_cast<std::ptrdiff_t>(queue_.value()); }

private:
    template <bool Scoped>
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

/// Holds a unit, or nothing; gives it back when it goes. It may go on another thread than it came. Lifetime: the semaphore outlives it.
class [[nodiscard("the unit is given back when the permit goes")]] semaphore::permit {
public:
    permit() noexcept = default;
    permit(permit&& other) noexcept : semaphore_(std::exchange(other.semaphore_, nullptr)) {}
    permit& operator=(permit&& other) noexcept
    {
        permit(std::move(other)).swap(*this);
        return *this;
    }
    ~permit() { release(); }

    [[nodiscard]] explicit operator bool() const noexcept { return semaphore_ != nullptr; }
    /// Gives the unit back now.
    void release() noexcept
    {
        if (semaphore* const s = std::exchange(semaphore_, nullptr))
            s->release(); // of one that was taken: does not throw
    }
    /// Leaves the unit taken: somebody else will give it back.
    void detach() noexcept { semaphore_ = nullptr; }
    void swap(permit& other) noexcept { std::swap(semaphore_, other.semaphore_); }

private:
    friend semaphore;
    explicit permit(semaphore& s) noexcept : semaphore_(&s) {}

    semaphore* semaphore_ = nullptr;
};

template <bool Scoped>
class semaphore::awaiter final : public detail::wait_queue::waiter {
public:
    explicit awaiter(semaphore& s) noexcept : waiter(s.queue_, &take), semaphore_(s) {}
    ~awaiter()
    {
        if (still_waiting() && abandon())
            semaphore_.release();
    }
    [[nodiscard]] bool await_ready() const noexcept { return semaphore_.try_acquire(); }
    auto await_resume()
    {
        finish("a task was asked to stop while it waited for a semaphore");
        if constexpr (Scoped)
            return permit(semaphore_);
    }

private:
    [[nodiscard]] const char* waits_for() const noexcept override { return "semaphore"; }

    semaphore& semaphore_;
};

template <bool Scoped>
class [[nodiscard("co_await it")]] semaphore::acquire_operation {
public:
    awaiter<Scoped> operator co_await() const noexcept { return awaiter<Scoped>(semaphore_); }

private:
    friend semaphore;
    explicit acquire_operation(semaphore& s) noexcept : semaphore_(s) {}

    semaphore& semaphore_;
};

inline auto semaphore::acquire() noexcept -> acquire_operation<false> { return acquire_operation<false>(*this); }
inline auto semaphore::acquire_scoped() noexcept -> acquire_operation<true> { return acquire_operation<true>(*this); }
inline auto semaphore::adopt() noexcept -> permit { return permit(*this); }
inline auto semaphore::try_acquire_scoped() noexcept -> permit { return try_acquire() ? permit(*this) : permit(); }

} // namespace tandem
