#include <tandem/base/errc.hpp>
#include <tandem/combine/task_scope.hpp>
#include <tandem/task/step_record.hpp>
#include <tandem/task/waiting.hpp>
#include <tandem/trace/observer.hpp>

namespace tandem {

struct task_scope::kinds {
    static detail::completion_kind::description child_of_scope(const completion& c) noexcept
    {
        return {static_cast<const child&>(c).scope.parent_, "with_scope", 0, 0};
    }
    static detail::completion_kind::description body_of_scope(const completion& c) noexcept
    {
        return {static_cast<const detail::scope_wait&>(c).scope_->parent_, "with_scope", 0, 0};
    }
    static inline const detail::completion_kind child_kind{&child::ended, &child_of_scope};
    static inline const detail::completion_kind body_kind{&detail::scope_wait::body_ended, &body_of_scope};
};

void task_scope::child::run(job* j) noexcept
{
    auto* const self = static_cast<child*>(j);
    task_scope& s = self->scope;
    if (!s.env_.stop.stop_requested()) {
        std::coroutine_handle<> task;
        try {
            task = self->begin();
        }
        catch (...) {
            s.child_failed(std::current_exception());
        }
        if (task) {
            detail::now_runs(task);
            tandem::resume(task);
            return;
        }
    }
    s.remove(*self);
    tandem::resume(s.arrive());
}

std::coroutine_handle<> task_scope::child::ended(completion* c, const std::exception_ptr& error) noexcept
{
    auto* const self = static_cast<child*>(c);
    task_scope& s = self->scope;
    if (error)
        s.child_failed(error);
    s.remove(*self);
    return s.arrive();
}

std::coroutine_handle<> detail::scope_wait::body_ended(completion* c, const std::exception_ptr& error) noexcept
{
    auto* const self = static_cast<scope_wait*>(c);
    if (error)
        self->scope_->failed(error);
    return self->scope_->arrive();
}

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
