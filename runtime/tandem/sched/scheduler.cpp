// How work is found and who is woken; the threads and the accounting are in threads.cpp.

#include <tandem/sched/detail/scheduler_state.hpp>
#include <tandem/sched/scheduler.hpp>

#include <asio/post.hpp>

#include <algorithm>
#include <chrono>
#include <thread>

namespace tandem {

namespace {

// A pump gives its thread back to Asio after this long. Short enough that a timer behind a flood of tasks is late by little more
// than one task; long enough that the round trip through Asio's queue, some 300 ns, does not count.
constexpr std::int64_t time_slice_ns = 500'000;
// The clock is read every so many steps while they are short, and after every one while they are long.
constexpr std::int32_t most_steps_between_reads = 64;
// Every so many tasks the shared queues come first, so that a worker that keeps feeding itself does not starve them. A prime, so
// that it does not beat with a pattern in the work.
constexpr std::uint32_t shared_first_every = 61;
// How many jobs a worker takes from the injection queue at once; the rest of them can be stolen.
constexpr std::size_t injection_batch = 32;
// How often an idle worker looks round before it retires: some ten microseconds.
constexpr int spins_before_retiring = 200;
// On every so many of them it lets whoever wants this processor have it: with fewer processors than threads that is the one it waits for.
constexpr int spins_before_yielding = 16;

std::int64_t now_ns() noexcept
{
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

} // namespace

// --- the way in --------------------------------------------------------------------------------

void scheduler::submit(job& j) noexcept
{
    worker* const w = this_worker();
    if (w && &w->owner() == this)
        w->spawns.push(&j);
    else
        injected_.push(&j);
    notify();
}

void scheduler::post(job& j) noexcept
{
    worker* const w = this_worker();
    if (w && &w->owner() == this) {
        w->spawns.push(&j);
        notify(); // this thread is joined before the scheduler goes
        return;
    }
    // The job may be the last that there is: it runs, and whoever waited for it destroys the pool, while we are still in notify().
    // Relaxed: the push publishes the count together with the job, and so whoever is behind the job's end sees it.
    visitors_.fetch_add(1, std::memory_order_relaxed);
    injected_.push(&j);
    notify();
    visitors_.fetch_sub(1, std::memory_order_release); // all of the above is done; the last touch
}

void scheduler::resume_from_handler(job& j) noexcept
{
    worker* const w = this_worker();
    if (!w || &w->owner() != this || impl_->has_substitutes.load(std::memory_order_relaxed)) {
        // Once a pool has had more threads than it was asked for, only pumps run tasks: they are counted, and a pool of one thread
        // stays as good as a lock.
        post(j);
        return;
    }
    j.execute();
    if ((!w->forks.empty() || !w->spawns.empty()) && try_take_place())
        pump(*w);
}

bool scheduler::start_timer(timer& t) noexcept { return impl_->timers.start(t, impl_->executor); }
bool scheduler::stop_timer(timer& t) noexcept { return impl_->timers.stop(t); }

// --- pumps -------------------------------------------------------------------------------------

bool scheduler::try_take_place() noexcept
{
    std::uint64_t s = state_.load(std::memory_order_relaxed);
    while (running(s) < threads_)
        if (state_.compare_exchange_weak(s, s + one_running + one_searching, std::memory_order_seq_cst, std::memory_order_relaxed))
            return true;
    return false;
}

void scheduler::wake_one() noexcept
{
    std::uint64_t s = state_.load(std::memory_order_relaxed);
    while (searching(s) == 0 && running(s) < threads_)
        if (state_.compare_exchange_weak(
                s, s + one_running + one_searching, std::memory_order_seq_cst, std::memory_order_relaxed)) {
            post_pump();
            return;
        }
}

void scheduler::post_pump() noexcept
{
    asio::post(impl_->pool, [this] {
        worker* const w = this_worker();
        if (w && &w->owner() == this)
            pump(*w);
        else
            post_pump(); // a thread that the user attached to the Asio pool: it serves I/O, but is no worker
    });
}

void worker::begin_slice() noexcept
{
    last_read_ = now_ns();
    deadline_ = last_read_ + time_slice_ns;
    steps_left_ = steps_between_reads_;
}

bool worker::slice_over() noexcept
{
    const std::int64_t now = now_ns();
    const std::int64_t since = now - last_read_;
    if (since > time_slice_ns / 8)
        steps_between_reads_ = std::max(steps_between_reads_ / 4, 1);
    else if (since < time_slice_ns / 32)
        steps_between_reads_ = std::min(steps_between_reads_ * 2, most_steps_between_reads);
    last_read_ = now;
    steps_left_ = steps_between_reads_;
    return now >= deadline_ || !pumping_;
}

void scheduler::pump(worker& w) noexcept
{
    // Entered with a place taken in state_: one running, one searching.
    w.pumping_ = true;
    w.begin_slice();
    bool is_searching = true;
    for (;;) {
        job* j = find(w);
        if (!j) {
            if (!is_searching) {
                state_.fetch_add(one_searching, std::memory_order_seq_cst);
                is_searching = true;
            }
            for (int spin = 0; spin < spins_before_retiring && !j; ++spin) {
                if (spin % spins_before_yielding == spins_before_yielding - 1)
                    std::this_thread::yield();
                else
                    for (int k = 0; k < 8; ++k)
                        detail::cpu_relax();
                j = find(w);
            }
            if (!j) {
                w.pumping_ = false;
                // The other half of notify()'s handshake: say that nobody searches any more, then look once more.
                state_.fetch_sub(one_searching + one_running, std::memory_order_seq_cst);
                detail::heavy_barrier();
                if (!has_work() || !try_take_place())
                    return;
                w.pumping_ = true;
                std::this_thread::yield(); // what is there may be half pushed, by a thread that waits for this processor
                continue;
            }
        }
        if (is_searching) {
            is_searching = false;
            // Pushers relied on us to look round. As the last who did so, see whether there is more than we can take; but only
            // where somebody is left to be woken. (Else it is for the next pump that retires to see it.)
            const std::uint64_t before = state_.fetch_sub(one_searching, std::memory_order_seq_cst);
            if (searching(before) == 1 && running(before) < threads_) {
                detail::heavy_barrier();
                if (has_work())
                    notify();
            }
        }
        j->execute();
        if (TANDEM_UNLIKELY(running(state_.load(std::memory_order_relaxed)) > threads_) && leave_surplus()) {
            w.pumping_ = false; // what is left in its queues, the other pumps steal
            return;
        }
        if (w.overdue()) {
            // Back to the end of Asio's queue, keeping the place; the reactor and whatever is ready come first.
            w.pumping_ = false;
            state_.fetch_add(one_searching, std::memory_order_seq_cst);
            post_pump();
            return;
        }
    }
}

bool scheduler::leave_surplus() noexcept
{
    std::uint64_t s = state_.load(std::memory_order_relaxed);
    while (running(s) > threads_)
        if (state_.compare_exchange_weak(s, s - one_running, std::memory_order_seq_cst, std::memory_order_relaxed))
            return true;
    return false;
}

job* scheduler::find(worker& w) noexcept
{
    if (TANDEM_UNLIKELY(++w.tick_ % shared_first_every == 0)) {
        // Behind what is there: on one thread jobs run in the order in which they were spawned, wherever they came from.
        if (injected_.pop(injection_batch, [&](job* j) { w.spawns.push(j); }) > 0)
            notify();
        if (job* const j = w.spawns.take())
            return j;
    }
    if (job* const j = w.forks.pop())
        return j;
    if (job* const j = w.spawns.take())
        return j;
    if (job* const j = take_injected(w))
        return j;
    return steal(w);
}

job* scheduler::take_injected(worker& w) noexcept
{
    job* first = nullptr;
    const std::size_t n = injected_.pop(injection_batch, [&](job* j) {
        if (first)
            w.spawns.push(j);
        else
            first = j;
    });
    if (n > 1)
        notify(); // while a job was in our hands another worker may have had its last look, and gone idle
    return first;
}

job* scheduler::steal(worker& w) noexcept
{
    const std::size_t n = impl_->worker_count.load(std::memory_order_acquire);
    w.random_ = w.random_ * 6364136223846793005u + 1442695040888963407u;
    std::size_t victim = static_cast<std::size_t>(w.random_ >> 33) % n;
    for (std::size_t k = 0; k < n; ++k, victim = victim + 1 == n ? 0 : victim + 1) {
        worker& v = *impl_->workers[victim].load(std::memory_order_acquire);
        if (&v == &w)
            continue;
        if (job* const j = v.forks.steal())
            return j;
        if (job* const j = v.spawns.take())
            return j;
    }
    return nullptr;
}

bool scheduler::has_work() const noexcept
{
    if (!injected_.empty())
        return true;
    const std::size_t n = impl_->worker_count.load(std::memory_order_acquire);
    for (std::size_t k = 0; k < n; ++k) {
        const worker& w = *impl_->workers[k].load(std::memory_order_acquire);
        if (!w.forks.empty() || !w.spawns.empty())
            return true;
    }
    return false;
}

const asio::any_io_executor* scheduler::executor() const noexcept { return &impl_->executor; }
asio::thread_pool& scheduler::asio_pool() noexcept { return impl_->pool; }
error_sink& scheduler::unhandled() noexcept { return *impl_->sink; }
const char* scheduler::name() const noexcept { return impl_->name.c_str(); }
bool scheduler::has_initializer() const noexcept { return static_cast<bool>(impl_->initializer); }

} // namespace tandem
