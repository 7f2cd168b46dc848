#pragma once

#include <tandem/base/config.hpp>
#include <tandem/sched/detail/asymmetric.hpp>
#include <tandem/task/job.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

namespace tandem::detail {

/// The common part of a worker's two queues: an unbounded circular array into which its owner pushes at the bottom, and from whose top
/// anybody takes. Lock-free. After Chase and Lev, "Dynamic Circular Work-Stealing Deque" (SPAA 2005), in the C11 form of Lê et al.,
/// "Correct and Efficient Work-Stealing for Weak Memory Models" (PPoPP 2013).
class work_ring {
public:
    work_ring() { adopt(new ring(first_capacity, nullptr), 0); }
    ~work_ring()
    {
        for (ring* r = array_.load(std::memory_order_relaxed); r;) {
            ring* const older = r->older;
            delete r;
            r = older;
        }
    }
    work_ring(const work_ring&) = delete;
    work_ring& operator=(const work_ring&) = delete;

    /// Owner only.
    void push(job* j)
    {
        const auto it = [=](std::size_t) { return j; };
        while (!try_push(1, it))
            make_room();
    }

    /// Owner only: pushes `job_of(0)` to `job_of(n - 1)`, or nothing if there is no room; which it may say when there is.
    template <class F>
    TANDEM_ALWAYS_INLINE bool try_push(std::size_t n, F job_of) noexcept
    {
        const std::int64_t b = bottom_.load(std::memory_order_relaxed);
        const std::int64_t end = b + static_cast<std::int64_t>(n);
        if (TANDEM_UNLIKELY(end > limit_))
            return false;
        for (std::size_t k = 0; k < n; ++k)
            slots_[(b + static_cast<std::int64_t>(k)) & mask_].store(job_of(k), std::memory_order_relaxed);
        // release: who sees the new bottom sees the slots and the jobs behind them. (A light barrier and the look at the scheduler's
        // state follow in the caller, hence seq_cst under TSan.)
        bottom_.store(end, dekker_store);
        return true;
    }

    /// Anybody; a hint unless called by the owner.
    [[nodiscard]] bool empty() const noexcept { return size_hint() <= 0; }
    [[nodiscard]] std::int64_t size_hint() const noexcept
    {
        const std::int64_t t = top_.load(dekker_load);
        return bottom_.load(dekker_load) - t;
    }

protected:
    struct ring {
        ring(std::int64_t n, ring* previous) : capacity(n), older(previous), slots(allocate(static_cast<std::size_t>(n))) {}
        ~ring() { ::operator delete(slots, line); }
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

        // In lines of its own: whatever else were in the first one, its owner would write there with each push.
        static constexpr std::align_val_t line{cache_line};
        static std::atomic<job*>* allocate(std::size_t n)
        {
            auto* const s = static_cast<std::atomic<job*>*>(::operator new(n * sizeof(std::atomic<job*>), line));
            std::uninitialized_value_construct_n(s, n);
            return s;
        }

        std::int64_t capacity; // a power of two
        ring* older; // a thief may still read it, so it lives as long as the deque; the sizes double, so all fit in twice the last
        std::atomic<job*>* slots;
    };

    job* take_at(std::int64_t t, std::int64_t b) noexcept
    {
        job* j = nullptr;
        return t < b && take_several(t, 1, &j) == 1 ? j : nullptr;
    }
    /// Slots t to t + n, which are below bottom, if top is t: n or 0.
    TANDEM_ALWAYS_INLINE std::size_t take_several(std::int64_t t, std::int64_t n, job** to) noexcept
    {
        // acquire: the slots of this array; the slots themselves are ordered by the load of bottom. If the owner has wrapped around and
        // overwritten one of them, top has moved, and the exchange fails.
        const ring* const r = array_.load(std::memory_order_acquire);
        for (std::int64_t k = 0; k < n; ++k)
            to[k] = r->get(t + k);
        if (!top_.compare_exchange_strong(t, t + n, std::memory_order_seq_cst, std::memory_order_relaxed))
            return 0;
        return static_cast<std::size_t>(n);
    }

    alignas(cache_line) std::atomic<std::int64_t> top_{0};
    /// Owner only: what it put at b last.
    [[nodiscard]] job* own(std::int64_t b) const noexcept { return slots_[b & mask_].load(std::memory_order_relaxed); }

    alignas(cache_line) std::atomic<std::int64_t> bottom_{0};

private:
    static constexpr std::int64_t first_capacity = 256;

    TANDEM_NOINLINE void make_room()
    {
        const std::int64_t b = bottom_.load(std::memory_order_relaxed);
        // acquire: a thief that advanced top has read its slot, so the slot may be written again
        const std::int64_t t = top_.load(std::memory_order_acquire);
        ring* const r = array_.load(std::memory_order_relaxed);
        limit_ = t + r->capacity;
        if (b < limit_)
            return;
        ring* const bigger = new ring(r->capacity * 2, r);
        for (std::int64_t i = t; i < b; ++i)
            bigger->put(i, r->get(i));
        adopt(bigger, t);
    }
    void adopt(ring* r, std::int64_t top) noexcept
    {
        slots_ = r->slots;
        mask_ = r->capacity - 1;
        limit_ = top + r->capacity;
        array_.store(r, std::memory_order_release); // a thief that sees the array sees the copied slots
    }

    // Owner only. Where the array is full: it may be later, since it is counted from an old value of top.
    std::int64_t limit_ = 0;
    std::int64_t mask_ = 0;
    std::atomic<job*>* slots_ = nullptr;

    std::atomic<ring*> array_{nullptr};
};

} // namespace tandem::detail
