#include <tandem/combine/detail/join.hpp>
#include <tandem/task/waiting.hpp>
#include <tandem/trace/observer.hpp>

#include <utility>

namespace tandem::detail {

struct join_kinds {
    static job_kind::description begins(const job& j) noexcept { return {static_cast<const join_child&>(j).handle(), "its turn"}; }

    template <join_policy Policy>
    static completion_kind::description waited_for_by(const completion& c) noexcept
    {
        const auto& child = static_cast<const join_child&>(c);
        const join& j = child.owner();
        const char* name = "when_all";
        if (Policy == join_policy::first_end)
            name = "race";
        else if (Policy == join_policy::first_success)
            name = "when_any";
        const join_child* last = &child;
        while (!last->is_last())
            ++last;
        return {j.parent_, name, child.index() + std::size_t{1}, last->index() + std::size_t{1}};
    }
};

namespace {

const job_kind as_job(&join_child::run, &join_kinds::begins);
const job_kind as_range(&join_child::run_range, &join_kinds::begins);

template <join_policy Policy>
struct completion_kinds {
    completion_kind one{&join_child::ended<Policy, false>, &join_kinds::waited_for_by<Policy>};
    completion_kind of_many{&join_child::ended<Policy, true>, &join_kinds::waited_for_by<Policy>};
};
const completion_kinds<join_policy::none> as_completion_of_none;
const completion_kinds<join_policy::first_error> as_completion_of_first_error;
const completion_kinds<join_policy::first_end> as_completion_of_first_end;
const completion_kinds<join_policy::first_success> as_completion_of_first_success;

} // namespace

template <join_policy Policy, bool Ranges>
std::coroutine_handle<> join_child::ended(completion* c, const std::exception_ptr& error) noexcept
{
    auto* const self = &static_cast<join_child&>(*c); // it is not null
    if constexpr (Policy != join_policy::none)
        if (TANDEM_UNLIKELY(static_cast<bool>(error)))
            return self->owner().child_failed<Policy>(self, error);
    if constexpr (Policy == join_policy::first_end || Policy == join_policy::first_success)
        self->owner().decide(self);
    return join::child_ended<Ranges, last_needs_no_report(Policy)>(self);
}

// Run once per task of a fork-join program: nothing is called on the way but at the end, so that nothing has to be saved.

/// `Shortcut`: the last sibling may have it.
template <bool Ranges, bool Shortcut>
TANDEM_ALWAYS_INLINE std::coroutine_handle<> join::child_ended(join_child* c) noexcept
{
    if (c->is_last())
        return c->credit == c->index() ? c->owner().parent_ // nobody else ever looked at the counter
                                       : hand_in(c);
    // The siblings were pushed by one worker only. If this thread is another, its slot may still hold the pointer of a node that once
    // was at this place, but that was stolen long ago, and then the take fails.
    worker* const w = this_worker();
    if (TANDEM_UNLIKELY(!w))
        return hand_in(c);
    const auto newest = w->forks.newest();
    if (TANDEM_UNLIKELY(newest.what != c + 1))
        return hand_in(c);
    if (TANDEM_UNLIKELY(!w->forks.begin_take(newest)))
        return continue_contended(c);
    if constexpr (Shortcut)
        if (c->leaves_the_last())
            return c[1].handle(); // nobody can have decided the join, and that one was prepared to continue the parent
    return continue_after<Ranges>(c);
}

/// With the next sibling, which is ours.
template <bool Ranges>
TANDEM_ALWAYS_INLINE std::coroutine_handle<> join::continue_after(join_child* c) noexcept
{
    join_child* const next = c + 1;
    if constexpr (Ranges)
        if (next->is_range())
            halve(*this_worker(), next, next->credit);
    next->credit = c->credit + 1;
    if (c->owner().pointless())
        return any_child_ended(next);
    next->report_end();
    return next->handle();
}

TANDEM_NOINLINE std::coroutine_handle<> join::continue_contended(join_child* c) noexcept
{
    worker& w = *this_worker();
    // Laid out for thieves, and none has come?
    return w.forks.finish_take() || w.shared.take_if(c + 1) ? continue_after<true>(c) : hand_in(c);
}

TANDEM_NOINLINE std::coroutine_handle<> join::any_child_ended(join_child* c) noexcept { return child_ended<true, false>(c); }

template std::coroutine_handle<> join_child::ended<join_policy::none, false>(completion*, const std::exception_ptr&) noexcept;
template std::coroutine_handle<> join_child::ended<join_policy::none, true>(completion*, const std::exception_ptr&) noexcept;
template std::coroutine_handle<> join_child::ended<join_policy::first_error, false>(
    completion*, const std::exception_ptr&) noexcept;
template std::coroutine_handle<> join_child::ended<join_policy::first_error, true>(completion*, const std::exception_ptr&) noexcept;
template std::coroutine_handle<> join_child::ended<join_policy::first_end, false>(completion*, const std::exception_ptr&) noexcept;
template std::coroutine_handle<> join_child::ended<join_policy::first_end, true>(completion*, const std::exception_ptr&) noexcept;
template std::coroutine_handle<> join_child::ended<join_policy::first_success, false>(
    completion*, const std::exception_ptr&) noexcept;
template std::coroutine_handle<> join_child::ended<join_policy::first_success, true>(
    completion*, const std::exception_ptr&) noexcept;

void join_child::run(job* j) noexcept
{
    auto* const self = static_cast<join_child*>(j);
    self->credit = 0; // it may have stood for a range
    if (self->owner().pointless()) {
        tandem::resume(join::any_child_ended(self)); // not started, it counts as ended
        return;
    }
    self->report_end();
    tandem::resume(self->handle());
}

void join_child::run_range(job* j) noexcept
{
    auto* const self = static_cast<join_child*>(j);
    const std::size_t n = self->credit;
    worker* const w = this_worker();
    if (w && self->owner().env.ctx == &w->owner()) {
        join::halve(*w, self, n);
        run(self);
        return;
    }
    // A pool that ends runs what is left in its queues, in none of its workers. With the last child the join may be gone.
    for (std::size_t k = 0; k < n; ++k)
        run(self + k);
}

/// Queues all of a range but the first: the upper half, the upper half of what is left, and so on, so that the next sibling is the newest.
TANDEM_NOINLINE void join::halve(worker& w, join_child* first, std::size_t n) noexcept
{
    while (n > 1) {
        const std::size_t upper = n / 2;
        n -= upper;
        join_child* const middle = first + n;
        middle->execute_ = upper > 1 ? &join_child::run_range : &join_child::run;
        middle->credit = static_cast<std::uint32_t>(upper); // of a range; else set anew
        w.forks.push(middle);
    }
    w.notify_of_forks();
}

std::coroutine_handle<> join::start_range(const context* ctx, join_child* first, std::coroutine_handle<> h, std::size_t n) noexcept
{
    worker* const w = this_worker();
    if (!w || ctx != &w->owner())
        return start_elsewhere(first, h);
    if (TANDEM_UNLIKELY(w->overdue())) {
        w->end_slice(); // it was told so here, so it must be told again
        first->prepare_to_queue(h);
        first->execute_ = &join_child::run_range;
        first->credit = static_cast<std::uint32_t>(n);
        w->forks.push(first); // from here on this object may be gone
        w->notify_of_forks();
        return std::noop_coroutine();
    }
    halve(*w, first, n);
    return transfer(h);
}

/// The child that ends, and those whose credit it carries.
TANDEM_NOINLINE std::coroutine_handle<> join::hand_in(join_child* c) noexcept
{
    join& j = c->owner();
    const std::uint32_t ended = c->credit + 1;
    // acq_rel: the last to hand in sees what the children on other threads wrote, and they are done with this object.
    if (j.left_.fetch_sub(ended, std::memory_order_acq_rel) == ended)
        return j.parent_;
    return std::noop_coroutine();
}

/// On a thread that has no queues: a context without workers, or a worker of another scheduler.
TANDEM_NOINLINE std::coroutine_handle<> join::start_elsewhere(join_child* first, std::coroutine_handle<> h) noexcept
{
    join_child* const end = first + left_.load(std::memory_order_relaxed); // all of them: none has begun
    // The first runs here, so that this object lives until all are posted.
    for (join_child* c = first + 1; c != end; ++c) {
        c->report_end(); // already, for a context that tells who waits for whom
        env.ctx->post(*c);
    }
    return transfer(h);
}

/// When it is time to look at the clock, or the queue has to grow.
TANDEM_NOINLINE std::coroutine_handle<> join::start_with_care(join_child* first, std::coroutine_handle<> h) noexcept
{
    worker* const w = this_worker();
    join_child* c = first + left_.load(std::memory_order_relaxed); // as above
    if (w->overdue()) {
        // Leave all of it in the queue. Once the last one is pushed this object may be gone.
        w->end_slice(); // it was told so here, so it must be told again
        first->prepare_to_queue(h);
        while (c-- != first)
            w->forks.push(c);
        w->notify_of_forks();
        return std::noop_coroutine();
    }
    while (--c != first)
        w->forks.push(c);
    w->notify_of_forks();
    return transfer(h);
}

TANDEM_NOINLINE std::coroutine_handle<> join::notify_and_start(std::coroutine_handle<> h) noexcept
{
    this_worker()->notify_of_forks();
    return transfer(h);
}

// Before the child is counted as ended, so the source lives until the call returns.
bool join::decide(join_child* c) noexcept
{
    join_child* nobody = nullptr;
    // relaxed: what the decider wrote is read when all have been counted, and by then it is visible
    if (!decider_.compare_exchange_strong(nobody, c, std::memory_order_relaxed))
        return false;
    env.stop.request_stop();
    return true;
}

template <join_policy Policy>
TANDEM_NOINLINE std::coroutine_handle<> join::child_failed(join_child* c, const std::exception_ptr& error) noexcept
{
    bool first = false;
    if constexpr (Policy == join_policy::first_success) {
        const std::exception_ptr* none = nullptr;
        first = failed_.compare_exchange_strong(none, &error, std::memory_order_relaxed);
    }
    else
        first = decide(c);
    if (!first)
        report_superseded(error);
    else if constexpr (Policy == join_policy::first_error)
        failed_.store(&error, std::memory_order_relaxed); // it is read when all have been counted, of which this child is one
    return any_child_ended(c);
}

} // namespace tandem::detail
