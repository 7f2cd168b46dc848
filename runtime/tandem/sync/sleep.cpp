#include <tandem/base/errc.hpp>
#include <tandem/sync/sleep.hpp>
#include <tandem/task/waiting.hpp>

namespace tandem::detail {

struct sleep_awaiter::kind {
    static job_kind::description describe(const job& j) noexcept
    {
        const auto& self = static_cast<const sleep_awaiter&>(j);
        return {self.handle_, "sleep", self.deadline_ns};
    }
    static inline const job_kind known{&resume_task, &describe};
};

struct yield_awaiter::kind {
    static job_kind::description describe(const job& j) noexcept
    {
        return {static_cast<const yield_awaiter&>(j).handle_, "its turn"};
    }
    static inline const job_kind known{&resume_task, &describe};
};

bool sleep_awaiter::suspend(std::coroutine_handle<> h, environment& env) noexcept
{
    handle_ = h;
    ctx = env.ctx;
    const std::int64_t now = ctx->now_ns();
    if (deadline_ns < 0)
        deadline_ns = later_by(now, -1 - deadline_ns);
    begins_to_wait(*ctx, *this);
    // First the way to be stopped, then the start: from then on another thread may resume the task and destroy this object. A stop that
    // comes in between marks the timer, and it is not started.
    arm(env.stop.get_token(), &on_stop);
    if (deadline_ns > now)
        return ctx->start_timer(*this);
    ctx->post(*this);
    return true;
}

void sleep_awaiter::on_stop(stop_callback_base* hook) noexcept
{
    auto* const self = static_cast<sleep_awaiter*>(static_cast<stop_hook*>(hook));
    context* const c = self->ctx; // once the timer is out of our hands it may be gone
    if (c->stop_timer(*self))
        c->post(*self);
}

void sleep_awaiter::abandon() noexcept
{
    static_cast<void>(ctx->stop_timer(*this));
    has_waited(*this);
}

void sleep_awaiter::await_resume()
{
    disarm(); // waits while it is just running
    has_waited(*this);
    if (was_stopped())
        throw operation_cancelled("a task was asked to stop while it slept");
}

} // namespace tandem::detail
