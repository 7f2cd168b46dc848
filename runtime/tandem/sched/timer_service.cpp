#include <tandem/sched/detail/timer_service.hpp>
#include <tandem/task/context.hpp>

#include <asio/io_context.hpp>
#include <asio/strand.hpp>
#include <asio/thread_pool.hpp>

#include <chrono>
#include <typeinfo>

namespace tandem::detail {

namespace {

template <class Inner>
bool strand_over(const asio::any_io_executor& ex, std::optional<asio::any_io_executor>& inner)
{
    if (ex.target_type() != typeid(asio::strand<Inner>))
        return false;
    inner.emplace(ex.target<asio::strand<Inner>>()->get_inner_executor());
    return true;
}

asio::any_io_executor without_strand(const asio::any_io_executor& ex)
{
    std::optional<asio::any_io_executor> inner;
    if (strand_over<asio::io_context::executor_type>(ex, inner) || strand_over<asio::thread_pool::executor_type>(ex, inner) ||
        strand_over<asio::any_io_executor>(ex, inner))
        return *inner;
    return ex;
}

} // namespace

bool timer_service::start(timer& t, const asio::any_io_executor& ex) noexcept
{
    const std::lock_guard lock(m_);
    if (down_) {
        wheel_.stop(t);
        return false;
    }
    if (!wheel_.start(t))
        return false;
    if (!timer_)
        timer_.emplace(without_strand(ex));
    arm();
    return true;
}

bool timer_service::stop(timer& t) noexcept
{
    const std::lock_guard lock(m_);
    if (!wheel_.stop(t))
        return false;
    if (wheel_.empty() && !stays_armed_)
        disarm_locked();
    return true;
}

void timer_service::disarm() noexcept
{
    const std::lock_guard lock(m_);
    disarm_locked();
}

void timer_service::disarm_locked() noexcept
{
    if (armed_for_ == timer_wheel::never)
        return;
    armed_for_ = timer_wheel::never;
    timer_->cancel();
}

// Sets the Asio timer, unless it is set for early enough. When it goes off too early, for a timer that was stopped, that costs one look.
void timer_service::arm() noexcept
{
    using clock = std::chrono::steady_clock;
    const std::int64_t next = wheel_.next_look();
    if (next >= armed_for_)
        return;
    armed_for_ = next;
    timer_->expires_at(clock::time_point(std::chrono::duration_cast<clock::duration>(std::chrono::nanoseconds(next))));
    timer_->async_wait([this](const asio::error_code& ec) {
        if (!ec)
            look();
    });
}

void timer_service::look() noexcept
{
    job* expired = nullptr; // linked by next_, which is free until they are queued
    {
        const std::lock_guard lock(m_);
        const std::int64_t now =
            std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
        if (armed_for_ <= now) // else it was set anew while this handler was under way
            armed_for_ = timer_wheel::never;
        job** last = &expired;
        while (timer* const t = wheel_.pop_expired(now)) {
            *last = t;
            last = &t->next_;
        }
        *last = nullptr;
        if (!down_)
            arm();
    }
    if (!expired)
        return;
    if (auto* const only = static_cast<timer*>(expired); !only->next_) {
        only->ctx->resume_from_handler(*only); // which may go on here and now
        return;
    }
    while (expired) {
        auto* const t = static_cast<timer*>(expired);
        expired = t->next_;
        t->ctx->post(*t);
    }
}

// The context goes, and nothing that is posted would ever run: those that wait find their waits cancelled here.
void timer_service::shutdown() noexcept
{
    std::unique_lock lock(m_);
    down_ = true;
    timer_.reset();
    while (timer* const t = wheel_.stop_any()) {
        lock.unlock();
        if (t->ctx->work_stealing())
            t->ctx->post(*t);
        else
            t->execute();
        lock.lock();
    }
}

} // namespace tandem::detail
