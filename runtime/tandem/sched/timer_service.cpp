#include <tandem/sched/detail/timer_service.hpp>
#include <tandem/sched/scheduler.hpp>
#include <tandem/task/context.hpp>

#include <asio/io_context.hpp>
#include <asio/strand.hpp>
#include <asio/thread_pool.hpp>

#include <algorithm>
#include <chrono>
#include <typeinfo>

namespace tandem::detail {

namespace {

// A look costs as much as some twenty timers do, so those of a crowd are made to wait for each other: the next look is not before so long
// after one that found so many. One timer in four microseconds, or fewer, wait for nobody.
constexpr std::int64_t gathering_per_timer_ns = 4'000;
constexpr std::int64_t most_gathering_ns = 500'000;

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
    const std::unique_lock lock = locked();
    if (down_) {
        wheel_.stop(t);
        return false;
    }
    if (!wheel_.start(t))
        return false;
    if (!timer_)
        timer_.emplace(without_strand(ex));
    if (t.deadline_ns < armed_for_)
        arm();
    return true;
}

bool timer_service::stop(timer& t) noexcept
{
    const std::unique_lock lock = locked();
    if (!wheel_.stop(t))
        return false;
    if (wheel_.empty() && !stays_armed_)
        disarm_locked();
    return true;
}

/// The lock is held for a moment as a rule: to sleep for it would cost more.
std::unique_lock<std::mutex> timer_service::locked() noexcept
{
    for (int k = 0; k < 100; ++k) {
        std::unique_lock lock(m_, std::try_to_lock);
        if (lock)
            return lock;
        cpu_relax();
    }
    return std::unique_lock(m_);
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
    const std::int64_t next = std::max(wheel_.next_look(), not_before_);
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
    job* expired = nullptr; // of the scheduler; linked by next_, which is free until they are queued
    job* others = nullptr;
    bool again_soon = false;
    scheduler* pool = nullptr;
    scheduler* left_alone = nullptr;
    {
        const std::unique_lock lock = locked();
        const std::int64_t now =
            std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
        if (armed_for_ <= now) // else it was set anew while this handler was under way
            armed_for_ = timer_wheel::never;
        job** last = &expired;
        job** last_other = &others;
        std::int64_t count = 0;
        for (; timer* const t = wheel_.pop_expired(now); ++count) {
            job**& end = t->ctx->work_stealing() ? last : last_other;
            *end = t;
            end = &t->next_;
        }
        *last = nullptr;
        *last_other = nullptr;
        not_before_ = now + std::min(count * gathering_per_timer_ns, most_gathering_ns);
        if (!down_)
            arm();
        again_soon = armed_for_ - now <= most_gathering_ns;
        if (expired)
            pool = static_cast<timer*>(expired)->ctx->work_stealing();
        left_alone = std::exchange(unshared_, again_soon ? pool : nullptr);
    }
    if (left_alone)
        left_alone->share_work();
    if (others && !others->next_ && !expired) {
        auto* const only = static_cast<timer*>(std::exchange(others, nullptr));
        only->ctx->resume_from_handler(*only); // which may go on here and now
    }
    while (others) {
        auto* const t = static_cast<timer*>(others);
        others = t->next_;
        t->ctx->post(*t);
    }
    if (expired)
        pool->resume_from_handler(expired, again_soon);
}

// The context goes, and nothing that is posted would ever run: those that wait find their waits cancelled here.
void timer_service::shutdown() noexcept
{
    std::unique_lock lock(m_);
    down_ = true;
    timer_.reset();
    armed_for_ = timer_wheel::never; // whoever stops the last timer below has nothing to disarm
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
