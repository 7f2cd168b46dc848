#include <tandem/base/errc.hpp>
#include <tandem/sync/sleep.hpp>

namespace tandem::detail {

bool sleep_awaiter::suspend(std::coroutine_handle<> h, environment& env) noexcept
{
    handle_ = h;
    ctx = env.ctx;
    const std::int64_t now = ctx->now_ns();
    deadline_ns = sleep_.from_now ? later_by(now, sleep_.ns) : sleep_.ns;
    // First the way to be stopped, then the start: from then on another thread may resume the task and destroy this object. A stop that
    // comes in between marks the timer, and it is not started.
    stop_callback_.emplace(env.stop.get_token(), on_stop{this});
    if (deadline_ns > now)
        return ctx->start_timer(*this);
    ctx->post(*this);
    return true;
}

void sleep_awaiter::on_stop::operator()() const noexcept
{
    context* const c = self->ctx; // once the timer is out of our hands it may be gone
    if (c->stop_timer(*self))
        c->post(*self);
}

void sleep_awaiter::await_resume()
{
    stop_callback_.reset(); // waits while it is just running
    if (was_stopped())
        throw operation_cancelled("a task was asked to stop while it slept");
}

} // namespace tandem::detail
