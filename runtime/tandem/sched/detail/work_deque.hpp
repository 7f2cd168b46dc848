#pragma once

#include <tandem/base/config.hpp>
#include <tandem/sched/detail/asymmetric.hpp>
#include <tandem/task/job.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace tandem::detail {

/// A work-stealing deque: its owner pushes and pops at the bottom, anybody takes from the top. Unbounded, lock-free.
///
/// The algorithm is Chase and Lev, "Dynamic Circular Work-Stealing Deque" (SPAA 2005), in the C11 form of Lê et al., "Correct and
/// Efficient Work-Stealing for Weak Memory Models" (PPoPP 2013), with pop's fence made asymmetric: light for the owner, heavy for
/// the thief.
class work_deque {
public:
    work_deque() { array_.store(new ring(first_capacity, nullptr), std::memory_order_relaxed); }
    ~work_deque()
    {
        for (ring* r = array_.load(std::memory_order_relaxed); r;) {
            ring* const older = r->older;
            delete r;
            r = older;
        }
    }
    work_deque(const work_deque&) = delete;
    work_deque& operator=(const work_deque&) = delete;

    /// Owner only.
    void push(job* j)
    {
        const std::int64_t b = bottom_.load(std::memory_order_relaxed);
        ring* r = array_.load(std::memory_order_relaxed);
        // `top_seen_` is an old value of top, so the deque is at most this full; it is refreshed only when that looks too full.
        if (TANDEM_UNLIKELY(b - top_seen_ >= r->capacity)) {
            // acquire: a thief that advanced top has read its slot, so the slot may be written again
            top_seen_ = top_.load(std::memory_order_acquire);
            if (b - top_seen_ >= r->capacity)
                r = grow(r, b);
        }
        r->put(b, j);
        // release: who sees the new bottom sees the slot and the job behind it. (A light barrier and the look at the scheduler's
        // state follow in the caller, hence seq_cst under TSan.)
        bottom_.store(b + 1, dekker_store);
    }

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

    /// Owner only: the oldest job, or null when there is none or a thief was faster.
    job* take_oldest() noexcept
    {
        // The owner knows bottom exactly, so unlike a thief it needs no barrier between the two loads.
        return take_at(top_.load(std::memory_order_acquire), bottom_.load(std::memory_order_relaxed));
    }

    /// Anybody: the oldest job, or null when there is none or somebody else was faster.
    job* steal() noexcept
    {
        // dekker_load is an acquire at least: what the thief before us did to the slot is done.
        const std::int64_t t = top_.load(dekker_load);
        if (t >= bottom_.load(std::memory_order_relaxed))
            return nullptr; // a cheap look first: the heavy barrier is a system call
        heavy_barrier(); // after the load of top and before that of bottom; see pop_at
        return take_at(t, bottom_.load(dekker_load));
    }

    /// Anybody; a hint unless called by the owner.
    [[nodiscard]] bool empty() const noexcept { return size_hint() <= 0; }
    [[nodiscard]] std::int64_t size_hint() const noexcept
    {
        const std::int64_t t = top_.load(dekker_load);
        return bottom_.load(dekker_load) - t;
    }

private:
    static constexpr std::int64_t first_capacity = 256;

    struct ring {
        ring(std::int64_t n, ring* previous) : capacity(n), older(previous), slots(new std::atomic<job*>[static_cast<std::size_t>(n)])
        {
        }
        ~ring() { delete[] slots; }
        ring(const ring&) = delete;
        ring& operator=(const ring&) = delete;

        [[nodiscard]] job* get(std::int64_t i) const noexcept
        {
            return slots[static_cast<std::size_t>(i & (capacity - 1))].load(std::memory_order_relaxed);
        }
        void put(std::int64_t i, job* j) noexcept
        {
            slots[static_cast<std::size_t>(i & (capacity - 1))].store(j, std::memory_order_relaxed);
        }

        std::int64_t capacity; // a power of two
        ring* older;           // a thief may still read it, so it lives as long as the deque; the sizes double, so all fit in twice the last
        std::atomic<job*>* slots;
    };

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

    job* take_at(std::int64_t t, std::int64_t b) noexcept
    {
        if (t >= b)
            return nullptr;
        // acquire: the slots of this array; the slot itself is ordered by the load of bottom. If the owner has wrapped around and
        // overwritten slot t, top has moved, and the exchange fails.
        job* const j = array_.load(std::memory_order_acquire)->get(t);
        if (!top_.compare_exchange_strong(t, t + 1, std::memory_order_seq_cst, std::memory_order_relaxed))
            return nullptr;
        return j;
    }

    ring* grow(ring* r, std::int64_t b)
    {
        ring* const bigger = new ring(r->capacity * 2, r);
        for (std::int64_t i = top_seen_; i < b; ++i)
            bigger->put(i, r->get(i));
        array_.store(bigger, std::memory_order_release); // a thief that sees the array sees the copied slots
        return bigger;
    }

    alignas(cache_line) std::atomic<std::int64_t> top_{0};
    alignas(cache_line) std::atomic<std::int64_t> bottom_{0};
    std::atomic<ring*> array_{nullptr};
    std::int64_t top_seen_ = 0; // owner only
};

} // namespace tandem::detail
