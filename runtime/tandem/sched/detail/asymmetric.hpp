#pragma once
// A store-load barrier whose cost is moved from the side that runs often (the owner of a queue) to the side that runs seldom (a
// thief, or a worker about to go idle). The idea is the asymmetric fence of folly and liburcu, on Linux's membarrier(2).

#include <tandem/base/config.hpp>

#include <atomic>

namespace tandem::detail {

/// True when membarrier(2) is registered for this process; decided once, before main. Always false under ThreadSanitizer.
extern const bool asymmetric_barriers;

/// Under ThreadSanitizer, which does not see fences, both sides use sequentially consistent operations instead: C++ gives those a
/// single total order, so of "store x, load y" against "store y, load x" at least one load sees the other's store.
inline constexpr std::memory_order dekker_store = TANDEM_TSAN ? std::memory_order_seq_cst : std::memory_order_release;
inline constexpr std::memory_order dekker_load = TANDEM_TSAN ? std::memory_order_seq_cst : std::memory_order_acquire;

void heavy_barrier() noexcept;

/// Where both sides are seldom: this on both.
inline void full_barrier() noexcept
{
#if !TANDEM_TSAN
    std::atomic_thread_fence(std::memory_order_seq_cst);
#endif
}

/// Between the store and the load on the frequent side.
TANDEM_ALWAYS_INLINE void light_barrier() noexcept
{
#if !TANDEM_TSAN
    if (TANDEM_LIKELY(asymmetric_barriers))
        // The compiler may not reorder; the processor may, until a thread in heavy_barrier() makes it drain.
        std::atomic_signal_fence(std::memory_order_seq_cst);
    else
        std::atomic_thread_fence(std::memory_order_seq_cst);
#endif
}

} // namespace tandem::detail
