#pragma once

#include <tandem/base/config.hpp>
#include <tandem/sched/detail/asymmetric.hpp>
#include <tandem/sched/detail/work_ring.hpp>
#include <tandem/task/job.hpp>

#include <atomic>
#include <cstdint>

namespace tandem::detail {

/// A work-stealing deque: its owner pushes and pops at the bottom, anybody takes from the top. Unbounded, lock-free.
///
/// The algorithm is Chase and Lev, "Dynamic Circular Work-Stealing Deque" (SPAA 2005), in the C11 form of Lê et al., "Correct and
/// Efficient Work-Stealing for Weak Memory Models" (PPoPP 2013), with pop's fence made asymmetric: light for the owner, heavy for
/// the thief.
class work_deque : public work_ring {
public:
    /// Owner only: the newest job, or null.
    job* pop() noexcept
    {
        const entry e = newest();
        if (e.at < top_.load(std::memory_order_relaxed)) // top only grows: nothing here, whatever the thieves do
            return nullptr;
        return begin_take(e) || finish_take() ? e.what : nullptr;
    }

    /// A slot and what is in it.
    struct entry {
        std::int64_t at;
        job* what;
    };
    /// Owner only: what it pushed last, or what is left below that; it may have been stolen.
    [[nodiscard]] TANDEM_ALWAYS_INLINE entry newest() const noexcept
    {
        // A slot below bottom holds what this owner put there last, stolen or not: reading it needs no order.
        const std::int64_t b = bottom_.load(std::memory_order_relaxed) - 1;
        return {b, own(b)};
    }

    // The newest job is taken in two steps, so that the second can be kept out of a hot path: `begin_take`, and if that is not yet
    // enough, `finish_take`.
    /// Owner only, of what `newest` gave: true when it is the owner's.
    TANDEM_ALWAYS_INLINE bool begin_take(const entry& e) noexcept
    {
        // Announce the intent to take the slot, then look for thieves. A thief reads top, makes everybody drain their store buffers,
        // and then reads bottom. So either it sees our store and keeps off the slot, or its barrier came before our store, and then
        // our load of top, later still, sees at least the top that the thief saw: it is the slot, and the exchange in finish_take decides.
        bottom_.store(e.at, dekker_store);
        light_barrier();
        return TANDEM_LIKELY(top_.load(dekker_load) < e.at);
    }
    /// Owner only: after `begin_take` gave false, whether it is the owner's all the same.
    TANDEM_NOINLINE bool finish_take() noexcept
    {
        const std::int64_t b = bottom_.load(std::memory_order_relaxed);
        std::int64_t t = top_.load(std::memory_order_relaxed);
        // seq_cst: part of the single order of all changes of top; failure means that a thief has it. With b below top it was stolen
        // before we came.
        const bool ours = t == b && top_.compare_exchange_strong(t, t + 1, std::memory_order_seq_cst, std::memory_order_relaxed);
        bottom_.store(b + 1, std::memory_order_relaxed);
        return ours;
    }

    /// Owner only: the oldest job, or null. Needs no barrier: it is the thieves' exchange, and the owner does not pop meanwhile.
    job* take_oldest() noexcept { return take_at(top_.load(std::memory_order_acquire), bottom_.load(std::memory_order_relaxed)); }

    /// Anybody: the oldest job, or null when there is none or somebody else was faster.
    job* steal() noexcept
    {
        // dekker_load is an acquire at least: what the thief before us did to the slot is done.
        const std::int64_t t = top_.load(dekker_load);
        if (t >= bottom_.load(std::memory_order_relaxed))
            return nullptr; // a cheap look first: the heavy barrier is a system call
        heavy_barrier();    // after the load of top and before that of bottom; see begin_take
        return take_at(t, bottom_.load(dekker_load));
    }
};

} // namespace tandem::detail
