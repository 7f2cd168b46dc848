#include <tandem/base/spinning.hpp>
#include <tandem/sync/one_shot_event.hpp>
#include <tandem/task/blocking.hpp>
#include <tandem/task/waiting.hpp>

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace tandem {

namespace {

// What is ready within this many looks costs no sleep: some thirty microseconds, as long as it takes to wake a thread on a processor that
// is asleep as well, and then to be woken by it.
constexpr int spins_before_sleeping = 250;

struct thread_waiter : one_shot_event::waiter {
    thread_waiter() noexcept : waiter(&wake) {}

    static void wake(waiter* w) noexcept
    {
        auto* const self = static_cast<thread_waiter*>(w);
        const std::lock_guard lock(self->m); // notified under the lock: once it is released the waiter may be gone
        self->notified = true;
        self->changed.notify_one();
    }

    std::mutex m;
    std::condition_variable changed;
    bool notified = false;
};

bool spin(const one_shot_event& e) noexcept
{
    detail::spinning wait;
    for (int i = 0; i < spins_before_sleeping; ++i) {
        if (e.is_set())
            return true;
        wait.turn(4);
    }
    return e.is_set();
}

} // namespace

void one_shot_event::wait() noexcept
{
    if (spin(*this))
        return;
    const blocking_section section;
    thread_waiter w;
    if (!subscribe(w))
        return;
    std::unique_lock lock(w.m);
    w.changed.wait(lock, [&] { return w.notified; });
}

bool one_shot_event::wait_until(std::int64_t steady_ns) noexcept
{
    using clock = std::chrono::steady_clock;
    if (is_set())
        return true;
    const clock::time_point deadline{std::chrono::duration_cast<clock::duration>(std::chrono::nanoseconds(steady_ns))};
    if (deadline <= clock::now())
        return is_set();
    if (spin(*this))
        return true;
    const blocking_section section;
    thread_waiter w;
    if (!subscribe(w))
        return true;
    std::unique_lock lock(w.m);
    if (w.changed.wait_until(lock, deadline, [&] { return w.notified; }))
        return true;
    if (withdraw(w))
        return false;
    w.changed.wait(lock, [&] { return w.notified; }); // set() has taken the waiter and is about to notify
    return true;
}

struct one_shot_event::awaiter::kind {
    static detail::job_kind::description describe(const job& j) noexcept
    {
        return {static_cast<const awaiter&>(j).handle_, "a result"};
    }
    static inline const detail::job_kind known{&resume_task, &describe};
};

void one_shot_event::awaiter::end_wait() noexcept
{
    stop_callback_.reset(); // waits while it is just running
    detail::has_waited(*this);
    context_ = nullptr;
}

bool one_shot_event::awaiter::suspend(std::coroutine_handle<> h, environment& env) noexcept
{
    handle_ = h;
    context_ = env.ctx;
    detail::begins_to_wait(*env.ctx, *this);
    // First the way to be stopped, then the subscription: from then on another thread may resume the task and destroy this object,
    // so the subscription is the last touch. A stop that comes in between leaves cancel_mark in the slot.
    if (interruptible_)
        stop_callback_.emplace(env.stop.get_token(), on_stop{this});
    std::uintptr_t s = 0;
    if (event_.slot_.compare_exchange_strong(s, to_slot(this), std::memory_order_acq_rel, std::memory_order_acquire))
        return true;
    TANDEM_ASSERT(s <= cancel_mark, "one_shot_event: one waiter at a time");
    // Stopped, unless the event becomes set while the mark is taken back.
    if (s == cancel_mark && event_.slot_.compare_exchange_strong(s, 0, std::memory_order_acq_rel, std::memory_order_acquire))
        cancelled_ = true;
    return false;
}

void one_shot_event::awaiter::stop_requested() noexcept
{
    std::uintptr_t s = 0;
    if (event_.slot_.compare_exchange_strong(s, cancel_mark, std::memory_order_acq_rel, std::memory_order_acquire))
        return;
    if (s == to_slot(this) && event_.withdraw(*this)) {
        cancelled_ = true;
        context_->post(*this);
    }
}

} // namespace tandem
