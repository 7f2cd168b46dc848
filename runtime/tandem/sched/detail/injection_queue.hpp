#pragma once

#include <tandem/base/config.hpp>
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
        // acq_rel: the predecessor's own store of null comes before our link; our job is published to our successor. seq_cst: the
        // pusher's half of its handshake with a worker that goes idle, who looks at the tail.
        job* const previous = tail_.exchange(j, std::memory_order_seq_cst);
        // Until the next line the list is cut before `j`: consumers see it end there.
        next_of(previous).store(j, std::memory_order_release);
    }

    /// Hands up to `limit` jobs, oldest first, to `take(job*)`; returns how many. Gives 0 also when another consumer is at it.
    template <class Take>
    std::size_t pop(std::size_t limit, Take take) noexcept
    {
        if (looks_empty() || locked_.exchange(true, std::memory_order_acquire)) // acquire: head_ as the last consumer left it
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

    /// Whether there is anything, if only half pushed yet: the idle side's half of the handshake. Costs the producers' cache line.
    [[nodiscard]] bool has_any() const noexcept
    {
        return tail_.load(std::memory_order_seq_cst) != &stub_ || head_.load(std::memory_order_acquire) != &stub_;
    }

private:
    struct stub_job final : job {
        stub_job() noexcept : job([](job*) noexcept {}) { next_ = nullptr; }
    };

    static std::atomic_ref<job*> next_of(job* j) noexcept { return std::atomic_ref(j->next_); }

    [[nodiscard]] bool looks_empty() const noexcept
    {
        return head_.load(std::memory_order_relaxed) == &stub_ && !next_of(&stub_).load(std::memory_order_relaxed);
    }

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
    void set_head(job* j) noexcept { head_.store(j, std::memory_order_release); }

    alignas(cache_line) std::atomic<job*> head_; // written under the lock
    std::atomic<bool> locked_{false};
    mutable stub_job stub_;
    alignas(cache_line) std::atomic<job*> tail_;
};

} // namespace tandem::detail
