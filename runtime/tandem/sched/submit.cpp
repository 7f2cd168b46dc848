// How jobs get in, and who is woken for them.

#include <tandem/base/config.hpp>
#include <tandem/sched/detail/scheduler_state.hpp>
#include <tandem/sched/scheduler.hpp>

#include <asio/defer.hpp>
#include <asio/post.hpp>

namespace tandem {

namespace {

// A worker needs a tenth of a microsecond from the end of a job to the next; this is three times as long.
constexpr int turns_to_linger = 8;

} // namespace

void worker::notify() noexcept
{
    if (pumping_)
        detail::light_barrier();
    else
        detail::full_barrier(); // nobody knows of this thread: see work_left
    owner_->wake_one_if_idle();
}

void worker::notify_of_forks() noexcept
{
    // A thief would have to make everybody drain their store buffers before it takes a fork; so one that is expected gets the oldest, and
    // largest, where none is needed. While it is on the way nobody sees it: the handshake is made after that, in notify.
    if (owner_->somebody_wants_work() && shared.empty())
        if (job* const j = forks.take_oldest())
            shared.push(j);
    notify();
}

void scheduler::inject(job& j) noexcept
{
    injected_.push(&j);
    wake_one_if_idle();
}

/// Queues `j` on this thread; false when it is none of ours.
bool scheduler::push_here(job& j) noexcept
{
    worker* const w = own_worker();
    if (!w)
        return false;
    w->spawns.push(&j);
    w->notify();
    return true;
}

void scheduler::submit(job& j) noexcept
{
    if (!push_here(j))
        inject(j);
}

void scheduler::submit_and_linger(job& j) noexcept
{
    if (push_here(j))
        return;
    injected_.push(&j);
    for (int turn = 0; turn < turns_to_linger && injected_.has_any(); ++turn) {
        const std::uint64_t s = state_.load(std::memory_order_seq_cst);
        if (s >= threads_)
            return; // as in notify: who searches, or ends, will see it
        if (running(s) == 0)
            break;
        detail::cpu_relax();
    }
    if (injected_.has_any())
        wake_one_if_idle();
}

void scheduler::post(job& j) noexcept
{
    if (push_here(j))
        return; // this thread is joined before the scheduler goes
    // The job may be the last that there is: it runs, and whoever waited for it destroys the pool, while we are still in inject().
    // Relaxed: the push publishes the count together with the job, and so whoever is behind the job's end sees it.
    visitors_.fetch_add(1, std::memory_order_relaxed);
    inject(j);
    visitors_.fetch_sub(1, std::memory_order_release); // all of the above is done; the last touch
}

void scheduler::repeat(job& j) noexcept
{
    worker* const w = own_worker();
    if (!w || !w->pumping_) // nor does it look again
        return post(j);
    w->spawns.push(&j);
}

bool scheduler::start_timer(timer& t) noexcept { return impl_->timers.start(t, impl_->executor); }
bool scheduler::stop_timer(timer& t) noexcept { return impl_->timers.stop(t); }

void scheduler::wake_one() noexcept
{
    std::uint64_t s = state_.load(std::memory_order_relaxed);
    while (searching(s) == 0 && running(s) < threads_)
        if (state_.compare_exchange_weak(
                s, s + one_running + one_searching, std::memory_order_seq_cst, std::memory_order_relaxed)) {
            if (!impl_->others.hand_pump())
                post_pump();
            return;
        }
}

/// What is posted to Asio.
struct scheduler::pump_handler {
    void operator()() const noexcept
    {
        worker* const w = sched->own_worker();
        if (!w) {
            sched->post_pump(how); // a thread that the user attached to the Asio pool: it serves I/O, but is no worker
            return;
        }
        if (sched->pump(*w, how)) // by this thread, which is on its way to Asio: to post would wake another for it
            asio::defer(sched->impl_->pool, pump_handler{sched, how == begun::posted ? begun::posted : begun::in_handler});
    }

    scheduler* sched;
    begun how;
};

void scheduler::post_pump(begun how) noexcept { asio::post(impl_->pool, pump_handler{this, how}); }

} // namespace tandem
