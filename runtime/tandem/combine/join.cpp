#include <tandem/combine/detail/join.hpp>
#include <tandem/trace/observer.hpp>

namespace tandem::detail {

std::coroutine_handle<> join_child::ended(completion* c, const std::exception_ptr& error) noexcept
{
    auto* const self = static_cast<join_child*>(c);
    if (TANDEM_UNLIKELY(static_cast<bool>(error)))
        self->owner->child_failed(self, error);
    else if (self->owner->policy_ > join_policy::first_error)
        self->owner->decide(self);
    return self->owner->child_ended(self);
}

void join_child::run(job* j) noexcept
{
    auto* const self = static_cast<join_child*>(j);
    tandem::resume(self->owner->pointless() ? self->owner->child_ended(self) : self->handle);
}

std::coroutine_handle<> join::start_queued(worker* w) noexcept
{
    const std::size_t n = total_;
    join_child* const c = children_;
    if (w && env.ctx->work_stealing() == &w->owner()) {
        // The worker's loop is overdue: leave all of it in the queue. Once the last one is pushed this object may be gone.
        scheduler& s = w->owner();
        w->end_slice(); // it was told so here, so it must be told again
        for (std::size_t k = n; k-- > 0;)
            w->forks.push(&c[k]);
        s.notify();
        return std::noop_coroutine();
    }
    forker_ = nullptr;
    for (std::size_t k = 1; k < n; ++k)
        env.ctx->post(c[k]);
    return transfer(c[0].handle);
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

void join::child_failed(join_child* c, const std::exception_ptr& error) noexcept
{
    const std::exception_ptr* first = nullptr;
    switch (policy_) {
    case join_policy::none:
        return;
    case join_policy::first_end:
        if (decide(c))
            return;
        break;
    case join_policy::first_error:
    case join_policy::first_success:
        if (failed_.compare_exchange_strong(first, &error, std::memory_order_relaxed)) {
            if (policy_ == join_policy::first_error)
                decide(c);
            return;
        }
        break;
    }
    report_superseded(error);
}

} // namespace tandem::detail
