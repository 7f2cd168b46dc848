#include <tandem/base/errc.hpp>
#include <tandem/sync/detail/queued_waiter.hpp>
#include <tandem/task/waiting.hpp>

#include <utility>

namespace tandem::detail {

struct queued_waiter::kind {
    static job_kind::description describe(const job& j) noexcept
    {
        const auto& self = static_cast<const queued_waiter&>(j);
        return {self.handle_, self.waits_for()};
    }
    static inline const job_kind known{&resume_task, &describe};
};

bool queued_waiter::suspend(std::coroutine_handle<> h, environment& env) noexcept
{
    handle_ = h;
    context_ = env.ctx;
    begins_to_wait(*env.ctx, *this);
    // First the way to be stopped: once queued, this may be gone. A stop that comes before it is queued leaves its mark in stage_.
    stop_callback_.emplace(env.stop.get_token(), on_stop{this});
    return enter();
}

void queued_waiter::stop_requested() noexcept
{
    // Until this has returned, finish_wait() waits in the destructor of the callback; so both this and the owner are still there.
    if (withdraw())
        context_->post(*this);
}

bool queued_waiter::join(waiter_list& l) noexcept
{
    if (stage_ == stage::cancelled)
        return false;
    stage_ = stage::queued;
    l.push_back(*this);
    return true;
}

bool queued_waiter::take_out(waiter_list& l) noexcept
{
    const stage before = stage_;
    if (before == stage::granted)
        return false;
    stage_ = stage::cancelled;
    if (before != stage::queued)
        return false;
    l.remove(*this);
    return true;
}

void queued_waiter::finish_wait(const char* text)
{
    stop_callback_.reset(); // waits while it is just running
    has_waited(*this);
    if (std::exchange(stage_, stage::outside) == stage::cancelled)
        throw operation_cancelled(text);
}

bool queued_waiter::abandon() noexcept
{
    stop_callback_.reset();
    has_waited(*this);
    static_cast<void>(withdraw());
    return stage_ == stage::granted;
}

} // namespace tandem::detail
