#include <tandem/io/detail/operation.hpp>
#include <tandem/io/executor.hpp>

#include <cstdio>
#include <cstdlib>

namespace tandem::detail {

struct operation::kind {
    static job_kind::description describe(const job& j) noexcept
    {
        return {static_cast<const operation&>(j).handle_, "an Asio operation"};
    }
    static inline const job_kind known{&resume_task, &describe};
};

void operation::hand_over(std::unique_ptr<pending> node)
{
    lock();
    if (!taken_) {
        // It became free meanwhile; but the function has moved into the node. Run it from there, as the one who has the strand.
        taken_ = true;
        first_ = last_ = node.release();
        unlock();
        runner_.store(this_thread(), std::memory_order_relaxed);
        leave(caller::handler);
        return;
    }
    (first_ ? last_->next : first_) = node.get();
    last_ = node.release();
    unlock();
}

void operation::act(unsigned what, caller from) noexcept
{
    lock();
    if (std::exchange(taken_, true)) {
        left_ |= what;
        unlock();
        return;
    }
    unlock();
    runner_.store(this_thread(), std::memory_order_relaxed);
    act_in_strand(what);
    leave(from);
}

void operation::act_in_strand(unsigned what)
{
    if ((what & to_emit) != 0 && !completed_)
        signal_.emit(asio::cancellation_type::terminal);
    if ((what & to_abandon) != 0)
        abandoned_ = true;
    if ((what & (to_abandon | to_complete)) != 0)
        completed_ = true;
}

// True when the strand was left, false when the operation completed and the strand stays taken.
bool operation::run_pending()
{
    for (;;) {
        lock();
        if (left_ != 0 && !completed_) {
            const unsigned what = std::exchange(left_, 0);
            unlock();
            act_in_strand(what);
            continue;
        }
        pending* const p = first_;
        if (completed_ || !p) {
            if (!completed_) {
                runner_.store(nullptr, std::memory_order_relaxed);
                taken_ = false;
            }
            // Once the strand is free another thread may complete the operation, and the coroutine destroy it: no touch after this,
            // but for the unlocking, which that thread waits for.
            const bool done = completed_;
            unlock();
            return !done;
        }
        first_ = p->next;
        unlock();
        const std::unique_ptr<pending> owned(p);
        owned->run();
    }
}

void operation::leave(caller from)
{
    if (run_pending())
        return;
    // Completed. Nobody else comes any more: the handler is gone, and a stop callback that is just running waits for nothing.
    stop_callback_.reset();
    drop_pending();
    if (from == caller::handler)
        context_->resume_from_handler(*this);
    else
        context_->post(*this); // also to a context that goes: it executes what it destroys
}

bool operation::leave_after_initiation()
{
    if (run_pending())
        return false;
    stop_callback_.reset();
    drop_pending();
    return true;
}

void operation::drop_pending() noexcept
{
    while (pending* const p = first_) {
        first_ = p->next;
        delete p;
    }
}

// Asio still has the handler, and will call it: to go on would be to write into freed memory.
void operation::destroyed_in_its_wait() noexcept
{
    std::fputs("tandem: a coroutine was destroyed while it waited for an Asio operation\n", stderr);
    std::abort();
}

// Not inlined, since it may be called from a coroutine: see rule 8 of the design.
TANDEM_NOINLINE const void* operation::this_thread() noexcept
{
    static thread_local char mark;
    return &mark;
}

void operation::completed() noexcept
{
    if (runner_.load(std::memory_order_relaxed) == this_thread()) {
        completed_ = true;
        return;
    }
    act(to_complete, caller::handler);
}

void operation::abandoned() noexcept { act(to_abandon, caller::other); }

asio::any_io_executor operation::underlying_executor() const { return executor_of(*context_); }

} // namespace tandem::detail
