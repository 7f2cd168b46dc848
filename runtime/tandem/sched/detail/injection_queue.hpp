#pragma once

#include <tandem/base/config.hpp>
#include <tandem/sched/detail/asymmetric.hpp>
#include <tandem/task/job.hpp>

#include <atomic>
#include <cstddef>

namespace tandem::detail {

/// The way into the pool from outside: many producers, many consumers, unbounded, first in first out, intrusive.
///
/// Producers push onto a lock-free stack (one compare-exchange). A consumer that finds the ordered list empty takes the whole stack
/// at once and turns it round; consumers hold a spin lock for that, producers never wait for it.
class injection_queue {
public:
    void push(job* j) noexcept { push_chain(j, j); }

    /// Pushes a chain linked through next_, from `newest` back to `oldest`, in one step.
    void push_chain(job* newest, job* oldest) noexcept
    {
        job* head = incoming_.load(std::memory_order_relaxed);
        do
            oldest->next_ = head;
        // seq_cst: besides publishing the jobs (release), this store comes before the producer's look at the scheduler's state
        while (!incoming_.compare_exchange_weak(head, newest, std::memory_order_seq_cst, std::memory_order_relaxed));
    }

    /// Hands up to `limit` jobs, oldest first, to `take(job*)`; returns how many. Gives 0 also when another consumer is at it.
    template <class Take>
    std::size_t pop(std::size_t limit, Take take) noexcept
    {
        if (empty() || locked_.exchange(true, std::memory_order_acquire)) // acquire: `ordered_` as the last consumer left it
            return 0;
        job* j = ordered_.load(std::memory_order_relaxed);
        if (!j)
            j = turn_round(incoming_.exchange(nullptr, std::memory_order_acquire)); // acquire: the jobs of all producers
        std::size_t n = 0;
        while (j && n < limit) {
            job* const next = j->next_;
            take(j);
            j = next;
            ++n;
        }
        // seq_cst: a worker about to go idle reads it in empty() without the lock
        ordered_.store(j, std::memory_order_seq_cst);
        locked_.store(false, std::memory_order_release);
        return n;
    }

    [[nodiscard]] bool empty() const noexcept
    {
        return !incoming_.load(std::memory_order_seq_cst) && !ordered_.load(std::memory_order_seq_cst);
    }

private:
    static job* turn_round(job* j) noexcept
    {
        job* turned = nullptr;
        while (j) {
            job* const next = j->next_;
            j->next_ = turned;
            turned = j;
            j = next;
        }
        return turned;
    }

    alignas(cache_line) std::atomic<job*> incoming_{nullptr};
    alignas(cache_line) std::atomic<job*> ordered_{nullptr}; // written under the lock
    std::atomic<bool> locked_{false};
};

} // namespace tandem::detail
