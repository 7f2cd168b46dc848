#include <tandem/base/errc.hpp>
#include <tandem/combine/task_scope.hpp>
#include <tandem/trace/observer.hpp>

namespace tandem {

void task_scope::start(child& c) noexcept
{
    // relaxed: whoever spawns holds the scope open, and the child arrives after this
    pending_.fetch_add(1, std::memory_order_relaxed);
    {
        const detail::spin_guard lock(children_lock_);
        c.next = children_;
        if (children_)
            children_->previous = &c;
        children_ = &c;
    }
    env_.ctx->post(c);
}

void task_scope::remove(child& c) noexcept
{
    {
        const detail::spin_guard lock(children_lock_);
        (c.previous ? c.previous->next : children_) = c.next;
        if (c.next)
            c.next->previous = c.previous;
    }
    delete &c;
}

void task_scope::destroy_children() noexcept
{
    while (child* const c = children_)
        remove(*c);
}

void task_scope::child_failed(const std::exception_ptr& error) noexcept
{
    // That it was asked to stop by `cancel` is no error; nor is it one after an error, which asked it too.
    if (is_operation_cancelled(error) && !parent_stop_.stop_requested() &&
        (cancelled_.load(std::memory_order_relaxed) || failed_.load(std::memory_order_relaxed)))
        return;
    failed(error);
}

void task_scope::failed(const std::exception_ptr& error) noexcept
{
    if (failed_.exchange(true, std::memory_order_relaxed)) {
        detail::report_superseded(error);
        return;
    }
    error_ = error;
    env_.stop.request_stop();
}

} // namespace tandem
