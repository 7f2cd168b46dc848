#include <tandem/task/blocking.hpp>
#include <tandem/task/sync_wait.hpp>
#include <tandem/task/timer_wheel.hpp>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace tandem::detail {

namespace {

// A loop that is never idle looks at its timers every so many jobs.
constexpr unsigned jobs_between_looks = 16;

} // namespace

struct run_loop::impl {
    std::mutex m;
    std::condition_variable changed;
    job* head = nullptr;
    job* tail = nullptr;
    bool finished = false;
    timer_wheel timers;
    std::atomic<std::thread::id> runner{};
};

run_loop::run_loop() : impl_(new impl) {}
run_loop::~run_loop() { delete impl_; }

void run_loop::post(job& j) noexcept
{
    // Notified under the lock: once it is released the loop may run the job, finish, and be gone.
    const std::lock_guard lock(impl_->m);
    j.next_ = nullptr;
    if (impl_->head)
        impl_->tail->next_ = &j;
    else
        impl_->head = &j;
    impl_->tail = &j;
    impl_->changed.notify_one();
}

void run_loop::finish() noexcept
{
    const std::lock_guard lock(impl_->m);
    impl_->finished = true;
    impl_->changed.notify_one();
}

bool run_loop::would_deadlock_here() const noexcept
{
    return impl_->runner.load(std::memory_order_relaxed) == std::this_thread::get_id();
}

bool run_loop::start_timer(timer& t) noexcept
{
    const std::lock_guard lock(impl_->m);
    const std::int64_t deadline = t.deadline_ns;
    const bool first = deadline < impl_->timers.next_look();
    if (!impl_->timers.start(t))
        return false;
    if (first)
        impl_->changed.notify_one();
    return true;
}

bool run_loop::stop_timer(timer& t) noexcept
{
    const std::lock_guard lock(impl_->m);
    return impl_->timers.stop(t);
}

void run_loop::run() noexcept
{
    impl& i = *impl_;
    i.runner.store(std::this_thread::get_id(), std::memory_order_relaxed); // only the thread itself needs to see it
    std::unique_lock lock(i.m);
    for (unsigned turn = 0;; ++turn) {
        if (i.finished)
            return;
        if (!i.timers.empty() && (!i.head || turn % jobs_between_looks == 0))
            if (timer* const t = i.timers.pop_expired(now_ns())) {
                lock.unlock();
                t->ctx->post(*t);
                lock.lock();
                continue;
            }
        if (job* const j = i.head) {
            i.head = j->next_;
            lock.unlock();
            j->execute();
            lock.lock();
            continue;
        }
        lock.unlock();
        {
            const blocking_section section;
            lock.lock();
            const std::int64_t until = i.timers.next_look();
            const auto woken = [&] { return i.head || i.finished || i.timers.next_look() < until; };
            using clock = std::chrono::steady_clock;
            if (until == timer_wheel::never)
                i.changed.wait(lock, woken);
            else
                i.changed.wait_until(
                    lock, clock::time_point(std::chrono::duration_cast<clock::duration>(std::chrono::nanoseconds(until))), woken);
            lock.unlock(); // leaving the section takes the pool's locks
        }
        lock.lock();
    }
}

} // namespace tandem::detail
