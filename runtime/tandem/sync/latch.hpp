#pragma once

#include <tandem/sync/detail/wait_queue.hpp>

#include <cstddef>

namespace tandem {

/// Counts down to zero, once, and then lets all through who wait: that so many things are done, or so many tasks have arrived.
///
/// Errors: a negative number, or one larger than what is left, throws std::invalid_argument, and nothing has changed.
/// Cancellation: a wait throws operation_cancelled when the task is asked to stop; a wait for a latch at zero does not look.
/// Thread safety: all members, from any thread and context. A task resumes on its own context. What was done before each
/// `count_down` is visible to whoever is let through.
/// Lifetime: it outlives the waits; `count_down` touches nothing of it once somebody can know that it is at zero, so a single
/// waiter may destroy it. Cost: no allocation; one atomic operation for a count, one load for a wait at zero.
///
///     tandem::latch started{3};
///     co_await started.wait(); // and in three places: started.count_down();
class latch {
public:
    class wait_operation;
    class arrive_operation;

    explicit latch(std::ptrdiff_t count);
    latch(const latch&) = delete;
    latch& operator=(const latch&) = delete;

    [[nodiscard]] static constexpr std::ptrdiff_t max() noexcept
    {
        return static_cast<std::ptrdiff_t>(detail::wait_queue::most >> 1);
    }

    void count_down(std::ptrdiff_t n = 1);
    /// Whether the count is zero.
    [[nodiscard]] bool try_wait() const noexcept { return queue_.value() == 0; }
    /// `co_await l.wait()`: until the count is zero.
    [[nodiscard("co_await it")]] wait_operation wait() noexcept;
    /// `co_await l.arrive_and_wait()`: counts down, when it is awaited, and waits. Also a wait that is cancelled has counted.
    [[nodiscard("co_await it")]] arrive_operation arrive_and_wait(std::ptrdiff_t n = 1) noexcept;

private:
    class awaiter;

    static bool take(detail::wait_queue::number& count) noexcept { return count == 0; }

    detail::wait_queue queue_; // what is left to count
};

class latch::awaiter final : public detail::wait_queue::waiter {
public:
    awaiter(latch& l, bool arrives, std::ptrdiff_t n) noexcept : waiter(l.queue_, &take), latch_(l), n_(n), arrives_(arrives) {}
    ~awaiter()
    {
        if (still_waiting())
            static_cast<void>(abandon());
    }
    [[nodiscard]] bool await_ready() const
    {
        if (arrives_)
            latch_.count_down(n_);
        return latch_.try_wait();
    }
    void await_resume() { finish("a task was asked to stop while it waited for a latch"); }

private:
    [[nodiscard]] const char* waits_for() const noexcept override { return "latch"; }

    latch& latch_;
    std::ptrdiff_t n_;
    bool arrives_;
};

class [[nodiscard("co_await it")]] latch::wait_operation {
public:
    awaiter operator co_await() const noexcept { return {latch_, false, 0}; }

private:
    friend latch;
    explicit wait_operation(latch& l) noexcept : latch_(l) {}

    latch& latch_;
};

class [[nodiscard("co_await it")]] latch::arrive_operation {
public:
    awaiter operator co_await() const noexcept { return {latch_, true, n_}; }

private:
    friend latch;
    arrive_operation(latch& l, std::ptrdiff_t n) noexcept : latch_(l), n_(n) {}

    latch& latch_;
    std::ptrdiff_t n_;
};

inline latch::wait_operation latch::wait() noexcept { return wait_operation(*this); }
inline latch::arrive_operation latch::arrive_and_wait(std::ptrdiff_t n) noexcept { return {*this, n}; }

} // namespace tandem
