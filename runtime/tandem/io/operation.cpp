#include <tandem/io/detail/operation.hpp>
#include <tandem/io/executor.hpp>

namespace tandem::detail {

struct operation::kind {
    static job_kind::description describe(const job& j) noexcept
    {
        return {static_cast<const operation&>(j).handle_, "an Asio operation"};
    }
    static inline const job_kind known{&resume_task, &describe};
};

void operation::hand_over(std::unique_ptr<pending> node, caller from)
{
    lock();
    if (!taken_) {
        // It became free meanwhile; but the function has moved into the node. Run it from there, as the one who has the strand.
        taken_ = true;
        first_ = last_ = node.release();
        unlock();
        runner_.store(this_thread(), std::memory_order_relaxed);
        leave(from);
        return;
    }
    (first_ ? last_->next : first_) = node.get();
    last_ = node.release();
    unlock();
}

// True when the strand was left, false when the operation completed and the strand stays taken.
bool operation::run_pending()
{
    for (;;) {
        lock();
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
    else if (from == caller::stop || context_->work_stealing())
        context_->post(*this);
    else
        tandem::resume(handle_);
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
    const auto complete = [this] { completed_ = true; };
    execute(complete);
}

void operation::abandoned() noexcept
{
    const auto give_up = [this] {
        abandoned_ = true;
        completed_ = true;
    };
    execute(give_up, caller::destroyer);
}

asio::any_io_executor operation::underlying_executor() const { return executor_of(*context_); }

} // namespace tandem::detail
