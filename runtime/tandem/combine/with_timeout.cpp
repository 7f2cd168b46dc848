#include <tandem/base/errc.hpp>
#include <tandem/combine/with_timeout.hpp>
#include <tandem/task/waiting.hpp>

#include <cstdio>

namespace tandem::detail {

struct timeout_wait::kind {
    static completion_kind::description waited_for_by(const completion& c) noexcept
    {
        return {static_cast<const timeout_wait&>(c).parent_, "with_timeout", 0, 0};
    }
    static inline const completion_kind known{&timeout_wait::child_ended, &waited_for_by};
};

void timeout_wait::begin(std::coroutine_handle<> parent, environment& parent_env) noexcept
{
    parent_ = parent;
    parent_stop_ = parent_env.stop.get_token();
    env_.emplace(parent_env);
    ctx = parent_env.ctx;
    deadline_ns = limit_.from_now ? later_by(ctx->now_ns(), limit_.ns) : limit_.ns;
    // This object lives until both have arrived, and the child has not begun: so it may be touched after the start.
    if (!ctx->start_timer(*this))
        has_timer_ = false; // the context goes; what the child waits for will tell
}

// acq_rel: the second sees what the first wrote, and the first is done with this object
bool timeout_wait::last_to_arrive() noexcept { return pending_.fetch_sub(1, std::memory_order_acq_rel) == 1; }

std::coroutine_handle<> timeout_wait::child_ended(completion* c, const std::exception_ptr&) noexcept
{
    auto* const self = static_cast<timeout_wait*>(c);
    if (!self->has_timer_ || self->ctx->stop_timer(*self) || self->last_to_arrive())
        return self->parent_;
    return std::noop_coroutine(); // the timer is just about to be executed, and is touching us
}

void timeout_wait::time_is_over(job* j) noexcept
{
    auto* const self = static_cast<timeout_wait*>(static_cast<timer*>(j));
    self->timed_out_ = !self->was_stopped(); // else the context goes, and its timers with it
    self->env_->stop.request_stop();
    if (self->last_to_arrive())
        tandem::resume(self->parent_);
}

void timeout_wait::check(const std::exception_ptr& error) const
{
    if (!timed_out_ || !is_operation_cancelled(error) || parent_stop_.stop_requested())
        return;
    if (!limit_.from_now)
        throw timeout_error("with_timeout");
    char text[64];
    std::snprintf(text, sizeof text, "with_timeout: not done within %.6g s", static_cast<double>(limit_.ns) / 1e9);
    throw timeout_error(text);
}

} // namespace tandem::detail
