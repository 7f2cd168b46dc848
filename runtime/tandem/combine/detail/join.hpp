#pragma once

#include <tandem/sched/scheduler.hpp>
#include <tandem/task/task.hpp>

#include <atomic>
#include <coroutine>
#include <cstddef>
#include <exception>

namespace tandem::detail {

class join;

/// What decides a join before all its children have ended. Then the rest are asked to stop, and what has not begun does not begin.
enum class join_policy : unsigned char {
    none,          ///< nothing: every child runs to its end
    first_error,   ///< the first that fails
    first_end,     ///< the first that ends
    first_success, ///< the first that ends without an error
};

/// One child of a join: what is queued, and what learns that the child ended. The children of a join lie in one array.
struct join_child final : job, completion {
    join_child() noexcept : job(&run), completion(&ended) {}

    static void run(job* j) noexcept;
    static std::coroutine_handle<> ended(completion* c, const std::exception_ptr& error) noexcept;

    // Set when the join starts.
    join* owner;
    std::coroutine_handle<> handle;
    std::size_t credit; // siblings that ended before, inline, without being counted
};

/// Runs several tasks and continues the parent when all have ended: fork and join.
///
/// All children but the first are queued on the forking worker, and the first runs at once, inline. When a child ends on that worker
/// and its next sibling is still at the bottom of the worker's queue, nobody else has seen that sibling: it runs next, inline, and
/// carries the credit for those that ended before it. Only when a sibling was stolen, or a child ends elsewhere, is the credit
/// handed in at the shared counter. So a join of which nothing was stolen does no atomic read-modify-write but the queue's own.
class join {
public:
    join(environment& parent, join_policy p) noexcept : env(parent), policy_(p) {}

    /// Starts `children[0..n)`, n > 0, each prepared with `env`; returns what to run next. `parent` continues when all have ended.
    std::coroutine_handle<> start(join_child* children, std::size_t n, std::coroutine_handle<> parent) noexcept
    {
        children_ = children;
        total_ = n;
        parent_ = parent;
        pending_.store(n, std::memory_order_relaxed); // published to thieves by the push
        worker* const w = this_worker();
        forker_ = w;
        if (TANDEM_UNLIKELY(!w || env.ctx->work_stealing() != &w->owner() || w->overdue()))
            return start_queued(w);
        for (std::size_t k = n; --k > 0;)
            w->forks.push(&children[k]);
        if (n > 1)
            w->owner().notify();
        return transfer(children[0].handle);
    }

    // After the join.
    /// What the child threw that failed first, or null; not kept under join_policy::none and first_end.
    [[nodiscard]] const std::exception_ptr* error() const noexcept { return failed_.load(std::memory_order_relaxed); }
    /// The index of the child that decided the join, or the number of children when none did.
    [[nodiscard]] std::size_t decider() const noexcept
    {
        const join_child* const c = decider_.load(std::memory_order_relaxed);
        return c ? static_cast<std::size_t>(c - children_) : total_;
    }

    environment env; // the children's

private:
    friend join_child;

    std::coroutine_handle<> start_queued(worker* w) noexcept;
    void child_failed(join_child* c, const std::exception_ptr& error) noexcept;
    bool decide(join_child* c) noexcept;
    /// The join was decided before this child was started: there is no point in starting it.
    [[nodiscard]] bool pointless() const noexcept { return TANDEM_UNLIKELY(decider_.load(std::memory_order_relaxed) != nullptr); }
    std::coroutine_handle<> child_ended(join_child* c) noexcept;

    // Set when the join starts.
    join_child* children_;
    std::size_t total_;
    std::coroutine_handle<> parent_;
    worker* forker_;
    std::atomic<std::size_t> pending_{0};
    std::atomic<join_child*> decider_{nullptr};
    std::atomic<const std::exception_ptr*> failed_{nullptr}; // in the frame of the child
    const join_policy policy_;
};

inline std::coroutine_handle<> join::child_ended(join_child* c) noexcept
{
    std::size_t credit = c->credit + 1;
    if (forker_ && this_worker() == forker_)
        for (join_child* next = c + 1; next != children_ + total_ && forker_->forks.pop_if(next); ++next, ++credit)
            if (!pointless()) {
                next->credit = credit;
                return next->handle;
            }
    // With the credit of all, everything ran here, one after the other, and nobody else ever looked at the counter.
    // acq_rel otherwise: the last to hand in sees what the children on other threads wrote, and they are done with this object.
    if (credit == total_ || pending_.fetch_sub(credit, std::memory_order_acq_rel) == credit)
        return parent_;
    return std::noop_coroutine();
}

} // namespace tandem::detail
