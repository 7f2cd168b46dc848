#include <tandem/base/errc.hpp>
#include <tandem/sync/manual_context.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace tandem {

manual_context::manual_context() noexcept : context(nullptr, true), waits_(*this) {}
manual_context::~manual_context() = default;

void manual_context::check_thread() const noexcept
{
    if (std::this_thread::get_id() == thread_)
        return;
    std::fputs("tandem: a manual_context was used from another thread\n", stderr);
    std::abort();
}

void manual_context::post(job& j) noexcept
{
    check_thread();
    jobs_.push_back(&j);
}

bool manual_context::start_timer(timer& t) noexcept
{
    check_thread();
    return timers_.start(t);
}

bool manual_context::stop_timer(timer& t) noexcept
{
    check_thread();
    return timers_.stop(t);
}

bool manual_context::would_deadlock_here() const noexcept { return std::this_thread::get_id() == thread_; }

bool manual_context::step() noexcept
{
    if (jobs_.empty()) {
        if (timers_.empty())
            return false;
        // To when the first comes; the wheel may want to be looked at several times on the way.
        timer* t = nullptr;
        while (!(t = timers_.pop_expired(timers_.next_look())))
            ;
        now_ = std::max(now_, duration(t->deadline_ns)); // it may have been started late
        t->ctx->post(*t);
    }
    job* const j = jobs_.front();
    jobs_.pop_front();
    j->execute();
    return true;
}

std::string manual_context::waiting_tasks() const { return waits_.tree(nullptr); }

void manual_context::throw_stuck(std::coroutine_handle<> root) const
{
    throw would_deadlock(
        "manual_context: the task can never end, since no job is queued and nobody sleeps; what waits is:" + waits_.tree(root));
}

} // namespace tandem
