#include <tandem/sync/detail/spin_lock.hpp>
#include <tandem/sync/detail/wait_queue.hpp>

namespace tandem::detail {

wait_queue::number wait_queue::lock() noexcept
{
    // Relaxed: the loads only guess, the exchange decides. Acquire: sees all that was done under the lock, and what those published
    // who changed the value without it.
    number w = word_.load(std::memory_order_relaxed);
    for (spin_wait wait;;) {
        if ((w & locked) == 0) {
            if (word_.compare_exchange_weak(w, w | locked, std::memory_order_acquire, std::memory_order_relaxed))
                return w / one;
        }
        else {
            wait.pause();
            w = word_.load(std::memory_order_relaxed);
        }
    }
}

bool wait_queue::try_take_locked(take_function* take) noexcept
{
    number v = lock();
    const bool taken = waiters.empty() && take(v);
    unlock(v);
    return taken;
}

bool wait_queue::waiter::enter() noexcept
{
    wait_queue& queue = queue_;
    number v = queue.lock();
    bool waits = false;
    if (queue.waiters.empty() && take_(v))
        grant();
    else
        waits = join(queue.waiters);
    queue.unlock(v); // when it waits, this waiter may be gone now
    return waits;
}

bool wait_queue::waiter::withdraw() noexcept
{
    wait_queue& queue = queue_;
    const number v = queue.lock();
    const bool out = take_out(queue.waiters);
    queue.unlock(v);
    return out;
}

} // namespace tandem::detail
