// A number and a queue of those who wait for it to be right, behind one atomic word: mutex, semaphore, event and latch.
#pragma once

#include <tandem/base/config.hpp>
#include <tandem/sync/detail/queued_waiter.hpp>

#include <atomic>
#include <cstdint>

namespace tandem::detail {

/// The word holds the value and two bits: `locked`, a spin lock for the queue and for every change of the word but those said below;
/// and `contended`, set while somebody waits.
///
/// With neither bit set the value may be changed by one compare-exchange: the fast ways below. So while somebody waits all goes
/// through the lock, and nobody gets past the queue. The lock is given back by the same store that publishes the new value: that
/// store is the last touch, and whoever learns of the value may destroy the object at once.
class wait_queue {
public:
    using number = std::uint64_t;
    static constexpr number most = ~number{0} >> 2;

    /// Takes what is waited for out of the value; false when it is not there.
    using take_function = bool(number& value) noexcept;

    explicit wait_queue(number value) noexcept : word_(value * one) {}

    /// Acquire: whoever sees a value sees what was done before it was made.
    [[nodiscard]] number value() const noexcept { return word_.load(std::memory_order_acquire) / one; }

    /// Takes it if it is there and nobody waits for it.
    template <take_function Take>
    TANDEM_ALWAYS_INLINE bool try_take() noexcept
    {
        number w = word_.load(std::memory_order_relaxed); // a guess; the exchange decides
        while (TANDEM_LIKELY((w & (locked | contended)) == 0)) {
            number v = w / one;
            if (!Take(v))
                return false;
            // Acquire: pairs with the release of whoever put it there.
            if (TANDEM_LIKELY(word_.compare_exchange_weak(w, v * one, std::memory_order_acquire, std::memory_order_relaxed)))
                return true;
        }
        return (w & contended) == 0 && try_take_locked(Take);
    }

    /// Replaces the value by `change(value)` when nobody waits; false, and nothing changed, when the queue must be looked at.
    template <class F>
    TANDEM_ALWAYS_INLINE bool try_change(F change) noexcept(noexcept(change(number{})))
    {
        number w = word_.load(std::memory_order_relaxed);
        while (TANDEM_LIKELY((w & (locked | contended)) == 0))
            // Release: publishes what the caller did before. Acquire: a later change is one of all before it, so that whoever sees
            // the last count of a latch sees what all did.
            if (TANDEM_LIKELY(
                    word_.compare_exchange_weak(w, change(w / one) * one, std::memory_order_acq_rel, std::memory_order_relaxed)))
                return true;
        return false;
    }

    /// Locks, and gives the value. No critical section calls out.
    [[nodiscard]] number lock() noexcept;
    /// Stores the value and unlocks.
    void unlock(number value) noexcept
    {
        // A plain store loses nobody's change, since only the holder of the lock makes any. Release: pairs with the acquires above
        // and with lock().
        word_.store(value * one | (waiters.empty() ? 0 : contended), std::memory_order_release);
    }

    waiter_list waiters; // guarded by the lock

    class waiter;

private:
    bool try_take_locked(take_function* take) noexcept;

    static constexpr number locked = 1;
    static constexpr number contended = 2;
    static constexpr number one = 4;

    std::atomic<number> word_;
};

/// The base of the awaiters. `take` is what grants the wait without one; whoever changes the value grants the others.
class wait_queue::waiter : public queued_waiter {
protected:
    waiter(wait_queue& q, take_function* take) noexcept : queue_(q), take_(take) {}
    ~waiter() = default;

private:
    bool enter() noexcept final;
    bool withdraw() noexcept final;

    wait_queue& queue_;
    take_function* take_;
};

} // namespace tandem::detail
