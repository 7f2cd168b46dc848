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
        const std::int64_t b = bottom_.load(std::memory_order_relaxed) - 1;
        if (b < top_.load(std::memory_order_relaxed)) // top only grows: nothing here, whatever the thieves do
            return nullptr;
        return pop_at(b);
    }

    /// Owner only: takes the newest job if it is `expected`; false when it is another one, or was stolen.
    bool pop_if(job* expected) noexcept
    {
        const std::int64_t b = bottom_.load(std::memory_order_relaxed) - 1;
        // A slot below bottom holds what this owner put there last, stolen or not: reading it needs no order.
        if (b < top_.load(std::memory_order_relaxed) || array_.load(std::memory_order_relaxed)->get(b) != expected)
            return false;
        return pop_at(b) != nullptr;
    }

    /// Anybody: the oldest job, or null when there is none or somebody else was faster.
    job* steal() noexcept
    {
        // dekker_load is an acquire at least: what the thief before us did to the slot is done.
        const std::int64_t t = top_.load(dekker_load);
        if (t >= bottom_.load(std::memory_order_relaxed))
            return nullptr; // a cheap look first: the heavy barrier is a system call
        heavy_barrier();    // after the load of top and before that of bottom; see pop_at
        return take_at(t, bottom_.load(dekker_load));
    }

private:
    job* pop_at(std::int64_t b) noexcept
    {
        // Announce the intent to take slot b, then look for thieves. A thief reads top, makes everybody drain their store buffers,
        // and then reads bottom. So either it sees our store and keeps off slot b, or its barrier came before our store, and then
        // our load of top, later still, sees at least the top that the thief saw: b == top, and the exchange below decides.
        bottom_.store(b, dekker_store);
        light_barrier();
        std::int64_t t = top_.load(dekker_load);
        if (TANDEM_LIKELY(t < b))
            return array_.load(std::memory_order_relaxed)->get(b);
        job* j = nullptr;
        if (t == b) { // the last one: thieves may want it too
            j = array_.load(std::memory_order_relaxed)->get(b);
            // seq_cst: part of the single order of all changes of top; failure means that a thief has it
            if (!top_.compare_exchange_strong(t, t + 1, std::memory_order_seq_cst, std::memory_order_relaxed))
                j = nullptr;
        }
        bottom_.store(b + 1, std::memory_order_relaxed);
        return j;
    }
};

} // namespace tandem::detail
