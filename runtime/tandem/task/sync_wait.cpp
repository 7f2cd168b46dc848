#include <tandem/task/blocking.hpp>
#include <tandem/task/sync_wait.hpp>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace tandem::detail {

struct run_loop::impl {
    std::mutex m;
    std::condition_variable changed;
    job* head = nullptr;
    job* tail = nullptr;
    bool finished = false;
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

void run_loop::run() noexcept
{
    impl_->runner.store(std::this_thread::get_id(), std::memory_order_relaxed); // only the thread itself needs to see it
    std::unique_lock lock(impl_->m);
    for (;;) {
        if (impl_->finished)
            return;
        if (job* const j = impl_->head) {
            impl_->head = j->next_;
            lock.unlock();
            j->execute();
            lock.lock();
            continue;
        }
        lock.unlock();
        {
            const blocking_section section;
            lock.lock();
            impl_->changed.wait(lock, [&] { return impl_->head || impl_->finished; });
            lock.unlock(); // leaving the section takes the pool's locks
        }
        lock.lock();
    }
}

} // namespace tandem::detail
