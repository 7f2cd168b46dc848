#pragma once

#include <tandem/sched/detail/work_ring.hpp>
#include <tandem/task/job.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace tandem::detail {

/// A worker's queue of spawned jobs: its owner pushes, anybody, the owner too, takes the oldest. Unlike a deque nobody takes at the
/// bottom, so no two sides ever have to agree on the last job but by the exchange on top: there is no barrier.
class work_queue : public work_ring {
public:
    /// The oldest job, or null when there is none or somebody else was faster.
    job* take() noexcept
    {
        // acquire, twice: what the taker before us did with its slot is done; and the slots below bottom are written.
        const std::int64_t t = top_.load(std::memory_order_acquire);
        return take_at(t, bottom_.load(std::memory_order_acquire));
    }

    /// For a thief: takes half of what there is, at most `most`, oldest first into `to`; how many. None when somebody else was faster.
    ///
    /// So that who spawns many small jobs and who takes them meet at the two counters once for all of these. It is take's argument for
    /// each slot: nobody takes but by moving top, which is where it was when the exchange succeeds, and the owner writes none of these
    /// slots again before that. (A deque, whose owner takes at the bottom without moving top, could not be halved so.)
    std::size_t take_half(job** to, std::size_t most) noexcept
    {
        const std::int64_t t = top_.load(std::memory_order_acquire);
        const std::int64_t b = bottom_.load(std::memory_order_acquire);
        return t < b ? take_several(t, std::min(static_cast<std::int64_t>(most), (b - t + 1) / 2), to) : 0;
    }

    /// Owner only: takes the oldest job if it is `expected`.
    bool take_if(const job* expected) noexcept
    {
        const std::int64_t t = top_.load(std::memory_order_acquire);
        const std::int64_t b = bottom_.load(std::memory_order_relaxed);
        // The owner wrote the slots itself, and nobody writes slot t again before top has moved.
        return t < b && own(t) == expected && take_at(t, b) == expected;
    }
};

} // namespace tandem::detail
