#pragma once

#include <tandem/base/config.hpp>
#include <tandem/sched/detail/asymmetric.hpp>
#include <tandem/task/job.hpp>

#include <atomic>
#include <cstddef>

namespace tandem::detail {

/// The way into the pool from outside: many producers, many consumers, unbounded, first in first out, intrusive.
///
/// The list is Dmitry Vyukov's intrusive MPSC queue: a producer swaps itself in as the tail and then links its predecessor to itself, so
/// it never waits. Consumers take turns by a spin lock that is tried, not waited for, and take several jobs at a turn.
class injection_queue {
public:
    injection_queue() noexcept : head_(&stub_), tail_(&stub_) {}
    injection_queue(const injection_queue&) = delete;
    injection_queue& operator=(const injection_queue&) = delete;

    void push(job* j) noexcept
    {
        next_of(j).store(nullptr, std::memory_order_relaxed);
        // acq_rel: the predecessor's own store of null comes before our link; our job is published to our successor
        job* const previous = tail_.exchange(j, std::memory_order_acq_rel);
        // Until the next line the list is cut before `j`: consumers see it end there. The notification that follows a push comes
        // after the link, so nothing is forgotten. (As seq_cst under TSan: the store of the pusher's Dekker handshake.)
        next_of(previous).store(j, dekker_store);
    }

    /// Hands up to `limit` jobs, oldest first, to `take(job*)`; returns how many. Gives 0 also when another consumer is at it.
    template <class Take>
    std::size_t pop(std::size_t limit, Take take) noexcept
    {
        if (empty() || locked_.exchange(true, std::memory_order_acquire)) // acquire: head_ as the last consumer left it
            return 0;
        std::size_t n = 0;
        while (n < limit) {
            job* const j = pop_one();
            if (!j)
                break;
            take(j);
            ++n;
        }
        locked_.store(false, std::memory_order_release);
        return n;
    }

    /// A hint, but exact in this: after a completed push, and until a consumer comes, it is false.
    [[nodiscard]] bool empty() const noexcept
    {
        // The load of the idle side's Dekker handshake is that of the link.
        return head_.load(dekker_load) == &stub_ && !next_of(&stub_).load(dekker_load);
    }

private:
    struct stub_job final : job {
        stub_job() noexcept : job([](job*) noexcept {}) { next_ = nullptr; }
    };

    static std::atomic_ref<job*> next_of(job* j) noexcept { return std::atomic_ref(j->next_); }

    job* pop_one() noexcept
    {
        job* head = head_.load(std::memory_order_relaxed);
        job* next = next_of(head).load(std::memory_order_acquire); // acquire: the job behind the link
        if (head == &stub_) {
            if (!next)
                return nullptr;
            head = next;
            set_head(head);
            next = next_of(head).load(std::memory_order_acquire);
        }
        if (!next) {
            if (tail_.load(std::memory_order_acquire) != head)
                return nullptr; // a producer is between its two steps
            push(&stub_);       // so that the last job has a successor to become the head
            next = next_of(head).load(std::memory_order_acquire);
            if (!next)
                return nullptr; // likewise
        }
        set_head(next);
        return head;
    }
    void set_head(job* j) noexcept { head_.store(j, dekker_store); }

    alignas(cache_line) std::atomic<job*> head_; // written under the lock
    std::atomic<bool> locked_{false};
    mutable stub_job stub_;
    alignas(cache_line) std::atomic<job*> tail_;
};

} // namespace tandem::detail
