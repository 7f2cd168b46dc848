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

void operation::leave_behind(pending& node)
{
    word s = state_.load(std::memory_order_relaxed);
    word next = 0;
    do {
        node.next = reinterpret_cast<pending*>(s & ~bits);
        next = reinterpret_cast<word>(&node) | (s & bits) | taken;
        // Release: whoever is in the strand sees the node. Acquire, for when it became free meanwhile: then we run the node ourselves.
    } while (!state_.compare_exchange_weak(s, next, std::memory_order_acq_rel, std::memory_order_relaxed));
    if ((s & taken) != 0)
        return;
    runner_.store(this_thread(), std::memory_order_relaxed);
    leave(caller::handler);
}

void operation::act(unsigned what, caller from) noexcept
{
    // Acquire as in enter_or_leave_behind(). Release: whoever is in the strand, and acts for us, sees what the caller did before.
    if ((state_.fetch_or(what | taken, std::memory_order_acq_rel) & taken) != 0)
        return;
    runner_.store(this_thread(), std::memory_order_relaxed);
    leave(from); // which finds the mark
}

void operation::act_in_strand(word what)
{
    if ((what & to_emit) != 0)
        cancel_.emit(asio::cancellation_type::terminal);
    if ((what & to_abandon) != 0)
        abandoned_ = true;
    if ((what & (to_abandon | to_complete)) != 0)
        completed_ = true;
}

// True when the strand was left, false when the operation completed and the strand stays taken.
bool operation::run_pending()
{
    while (!completed_) {
        if (pending* const p = left_) {
            left_ = p->next;
            const std::unique_ptr<pending> owned(p);
            owned->run();
            continue;
        }
        if (leave_quickly())
            return true;
        const word s =
            state_.exchange(taken, std::memory_order_acquire); // sees the nodes, and what was done before the marks were set
        for (auto* p = reinterpret_cast<pending*>(s & ~bits); p != nullptr;) {
            pending* const older = p->next;
            p->next = left_;
            left_ = p;
            p = older;
        }
        act_in_strand(s);
    }
    return false;
}

void operation::leave(caller from)
{
    if (run_pending())
        return;
    end_wait();
    if (from == caller::handler)
        context_->resume_from_handler(*this);
    else
        context_->post(*this); // also to a context that goes: it executes what it destroys
}

bool operation::ends_in_initiation()
{
    if (run_pending())
        return false;
    end_wait();
    return true;
}

// Nobody else comes any more: the handler is gone, and a stop callback that is just running waits for nothing.
void operation::end_wait() noexcept
{
    stop_callback_.reset();
    // Acquire: sees the nodes that were left behind too late.
    auto* const newest = reinterpret_cast<pending*>(state_.load(std::memory_order_acquire) & ~bits);
    if (TANDEM_UNLIKELY(left_ != nullptr || newest != nullptr)) {
        drop(left_);
        drop(newest);
    }
}

TANDEM_NOINLINE void operation::drop(pending* first) noexcept
{
    while (pending* const p = first) {
        first = p->next;
        delete p;
    }
}

// Asio still has the handler, and will call it: to go on would be to write into freed memory.
void operation::destroyed_in_its_wait() noexcept
{
    std::fputs("tandem: a coroutine was destroyed while it waited for an Asio operation\n", stderr);
    std::abort();
}

void operation::abandoned() noexcept { act(to_abandon, caller::other); }

asio::any_io_executor operation::underlying_executor() const { return executor_of(*context_); }

} // namespace tandem::detail
