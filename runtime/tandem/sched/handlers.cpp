// What a scheduler does in the completion handlers of Asio's operations, on its own threads.

#include <tandem/sched/detail/scheduler_state.hpp>
#include <tandem/sched/scheduler.hpp>

#include <asio/post.hpp>

namespace tandem {

void scheduler::resume_from_handler(job& j) noexcept
{
    j.next_ = nullptr;
    resume_from_handler(&j, false);
}

void scheduler::resume_from_handler(job* first, bool others_come) noexcept
{
    worker* const w = this_worker();
    if (!w || &w->owner() != this || impl_->has_substitutes.load(std::memory_order_relaxed)) {
        // Once a pool has had more threads than it was asked for, only pumps run tasks: they are counted, and a pool of one thread
        // stays as good as a lock.
        while (first) {
            job& j = *first;
            first = j.next_;
            post(j);
        }
        return;
    }
    std::uint64_t n = 1;
    for (job* rest = first->next_; rest; ++n) {
        job* const j = rest;
        rest = j->next_;
        w->spawns.push(j);
    }
    if (n > 1 && !others_come)
        w->notify();
    detail::execute_step(*first, w->record());
    if (w->has_jobs()) {
        if (others_come)
            detail::full_barrier(); // not made by a notification: where all run, one of those sees what we leave
        if (try_take_place(others_come ? one_running : one_running + one_searching))
            pump(*w, !others_come);
    }
    count_handlers(*w, n);
}

void scheduler::share_work() noexcept
{
    if (has_work())
        wake_one_if_idle();
}

/// Now and then looks whether this thread is one too many.
void scheduler::count_handlers(worker& w, std::uint64_t n) noexcept
{
    constexpr std::uint64_t between_looks = 8;
    const std::uint64_t before = w.handlers();
    w.handlers_.store(before + n, std::memory_order_relaxed);
    if (TANDEM_LIKELY(before / between_looks == (before + n) / between_looks))
        return;
    if (impl_->others.too_many_serve() && !impl_->has_substitutes.load(std::memory_order_relaxed))
        // Not here: below us on the stack may be a handler of the program's, which wants to go on.
        asio::post(impl_->pool, [this] {
            worker* const self = this_worker();
            if (self && &self->owner() == this && impl_->others.follow(impl_->pool))
                pump(*self);
        });
}

} // namespace tandem
