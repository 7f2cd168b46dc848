// Waiting for another thread that is in the middle of a few instructions.
// shared-detail: a task_scope has a list too that is locked for a few instructions
#pragma once

#include <tandem/base/config.hpp>

#include <atomic>

namespace tandem::detail {

/// The pauses between looks at what another thread is about to change. Each look takes the cache line from the one who works, who gets it
/// back some hundred nanoseconds later; so even the first pause is longer than what a lock is held for. In the end the processor is given
/// away, since that thread may be waiting for it.
class spin_wait {
public:
    void pause() noexcept;

private:
    int looks_ = 0;
};

/// A lock for some ten instructions. Not fair: who holds it may well be the next to get it, and that is what makes it fast.
class spin_lock {
public:
    spin_lock() noexcept = default;
    spin_lock(const spin_lock&) = delete;
    spin_lock& operator=(const spin_lock&) = delete;

    TANDEM_ALWAYS_INLINE void lock() noexcept
    {
        // Acquire: sees all that was done under the lock before. Pairs with the release in unlock().
        if (TANDEM_UNLIKELY(held_.exchange(true, std::memory_order_acquire)))
            lock_slowly();
    }
    TANDEM_ALWAYS_INLINE void unlock() noexcept { held_.store(false, std::memory_order_release); }

private:
    void lock_slowly() noexcept;

    std::atomic<bool> held_{false};
};

/// Holds a spin_lock for a scope.
class spin_guard {
public:
    explicit spin_guard(spin_lock& l) noexcept : lock_(l) { lock_.lock(); }
    ~spin_guard() { lock_.unlock(); }
    spin_guard(const spin_guard&) = delete;
    spin_guard& operator=(const spin_guard&) = delete;

private:
    spin_lock& lock_;
};

} // namespace tandem::detail
