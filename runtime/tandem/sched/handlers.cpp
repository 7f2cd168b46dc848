// What a scheduler does in the completion handlers of Asio's operations, on its own threads.

#include <tandem/sched/detail/scheduler_state.hpp>
#include <tandem/sched/scheduler.hpp>

#include <asio/post.hpp>

#include <algorithm>

namespace tandem {

/// The worker that may run tasks in a handler, here and now; or null.
worker* scheduler::handlers_worker() const noexcept
{
    // Once a pool has had more threads than it was asked for, only pumps run tasks: they are counted, and a pool of one thread stays as
    // good as a lock.
    return impl_->has_substitutes.load(std::memory_order_relaxed) ? nullptr : own_worker();
}

void scheduler::resume_from_handler(job& j) noexcept
{
    j.next_ = nullptr;
    resume_from_handler(&j, false);
}

void scheduler::resume_from_handler(job* first, bool others_come) noexcept
{
    worker* const w = handlers_worker();
    if (!w) {
        while (first) {
            job& j = *first;
            first = j.next_;
            post(j);
        }
        return;
    }
    const std::uint64_t n = w->queue_rest(*first);
    if (n > 1 && !others_come)
        w->notify();
    execute_first(*w, *first, others_come);
    w->count_handlers(n);
    follow_if_too_many_serve(*w);
}

/// Queues what is linked behind `first`; how many jobs there are with that.
std::uint64_t worker::queue_rest(job& first) noexcept
{
    std::uint64_t n = 1;
    for (job* rest = first.next_; rest; ++n) {
        job* const j = rest;
        rest = j->next_;
        spawns.push(j);
    }
    return n;
}

/// Executes the first of some jobs, and then what is queued here.
void scheduler::execute_first(worker& w, job& first, bool others_come) noexcept
{
    detail::execute_step(first, w.record());
    if (w.has_jobs()) {
        if (others_come)
            detail::full_barrier(); // not made by a notification: where all run, one of those sees what we leave
        if (try_take_place(others_come ? one_running : one_running + one_searching) &&
            pump(w, others_come ? begun::in_handler_untold : begun::in_handler))
            post_pump(begun::in_handler);
    }
}

void scheduler::share_work() noexcept
{
    if (has_work())
        wake_one_if_idle();
}

/// Looks whether this thread is one too many, now and then, for that may be to look at the clock.
void scheduler::follow_if_too_many_serve(worker& w) noexcept
{
    constexpr std::uint64_t handlers_between = 8;
    const std::uint64_t n = w.handlers();
    if (TANDEM_LIKELY(n - w.handlers_when_asked_ < handlers_between))
        return;
    w.handlers_when_asked_ = n;
    if (impl_->others.too_many_serve() && !impl_->has_substitutes.load(std::memory_order_relaxed))
        // Not here: below us on the stack may be a handler of the program's, which wants to go on.
        asio::post(impl_->pool, [this] {
            worker* const self = own_worker();
            if (!self)
                return;
            if (impl_->others.follow(impl_->pool)) {
                if (pump(*self))
                    post_pump();
                return;
            }
            detail::full_barrier(); // see followers::watch
            share_work();
        });
}

// --- looks -------------------------------------------------------------------------------------
//
// Where many connections are served, what a task has asked for has often come when all that was ready has had its turn; a look then takes a
// system call, where Asio's way there takes a second one, a lock or two and a place in its queue. So these jobs wait until the end of that
// queue, all of a worker's together behind one handler.

bool scheduler::look_behind_handlers(job& j) noexcept
{
    worker* const w = handlers_worker();
    if (!w)
        return false;
    if (w->luck_ < 0) {
        ++w->luck_;
        return false;
    }
    job* newest = w->looks_.load(std::memory_order_relaxed);
    do
        j.next_ = newest;
    // Release: who takes it sees the job. Others only take all.
    while (!w->looks_.compare_exchange_weak(newest, &j, std::memory_order_release, std::memory_order_relaxed));
    if (!newest)
        asio::post(impl_->pool, [this, w] { execute_looks(*w); });
    return true;
}

void scheduler::looked(bool found) noexcept
{
    worker* const w = this_worker();
    if (!w)
        return;
    // One that is in vain costs a system call, and one that is not saves one, and the way through Asio's queue: two thirds may be in vain.
    constexpr std::int32_t most = 16;
    constexpr std::int32_t left_out = 32;
    if (found) {
        w->luck_ = std::min(w->luck_ + 2, most);
        w->count_handlers(1); // in whose place it stands
    }
    else if (--w->luck_ < 0)
        w->luck_ = -left_out;
}

job* worker::take_looks() noexcept
{
    job* first = nullptr;
    for (job* j = looks_.exchange(nullptr, std::memory_order_acquire); j;) {
        job* const older = j->next_;
        j->next_ = first;
        first = j;
        j = older;
    }
    return first;
}

void scheduler::execute_looks(worker& of) noexcept
{
    job* const first = of.take_looks();
    if (!first)
        return;
    worker* const w = handlers_worker();
    if (!w) {
        resume_from_handler(first, false);
        return;
    }
    const std::uint64_t n = w->queue_rest(*first);
    const bool watched = threads_ == 1 || impl_->others.watch(); // of one that blocks the place is taken in enter_blocking
    if (n > 1 && !watched)
        w->notify();
    execute_first(*w, *first, watched);
    follow_if_too_many_serve(*w);
}

} // namespace tandem
