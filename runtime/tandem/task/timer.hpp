#pragma once

#include <tandem/task/job.hpp>

#include <cstdint>

namespace tandem {

class context;
class timer_wheel;

/// A job that a context queues at a point of time: `context::start_timer`. For implementers of waits; users sleep with `sleep_for` and
/// bound a wait with `with_timeout`.
///
/// Lifetime: from `start_timer` on until it was executed or `stop_timer` took it out.
struct timer : job {
    explicit timer(job::function* f) noexcept : job(f) {}

    enum class state : unsigned char {
        fresh,   ///< not started
        waiting, ///< started
        expired, ///< executed, or about to be
        stopped, ///< taken out by stop_timer, which also stops a fresh one
    };

    /// After the end of the wait: whether it was stopped. (Before that only the context looks.)
    [[nodiscard]] bool was_stopped() const noexcept { return state_ == state::stopped; }

    // To be set before it is started.
    context* ctx;             ///< where it is queued
    std::int64_t deadline_ns; ///< of the context's clock

protected:
    ~timer() = default;
    /// For the destructor of a coroutine's wait: whether the coroutine was destroyed in it, and the timer has to be stopped.
    [[nodiscard]] bool still_waiting() const noexcept { return state_ == state::waiting; }

private:
    friend timer_wheel;

    // Guarded by the lock of whoever owns the wheel. A timer hangs in a slot's list, or in the heap of those that are due soon.
    // The first below it in the heap is in the job's next_, which nobody else uses while it is there.
    job* next_timer_;
    job** back_; // what points here
    state state_ = state::fresh;
    bool in_heap_;
};

} // namespace tandem
