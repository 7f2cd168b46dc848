// How work is found. How it gets in: submit.cpp; by way of Asio's handlers: handlers.cpp; the threads, and the accounting: threads.cpp.

#include <tandem/base/spinning.hpp>
#include <tandem/sched/detail/scheduler_state.hpp>
#include <tandem/sched/scheduler.hpp>

#include <algorithm>
#include <chrono>
#include <thread>

namespace tandem {

namespace {

// A pump gives its thread back to Asio after this long. Short enough that a timer behind a flood of tasks is late by little more
// than one task; long enough that the round trip through Asio's queue, some 300 ns, does not count.
constexpr std::int64_t time_slice_ns = 500'000;
// The clock is read every so many steps while they are short, and after every one while they are long. At 20 ns for a fork and as much for
// the clock, 64 would cost two hundredths.
constexpr std::int32_t most_steps_between_reads = 256;
// A handler of Asio's that forks does not look at a clock: after so many forks it becomes a pump.
constexpr std::uint32_t handler_steps = 32;
// Every so many tasks the shared queues come first, so that a worker that keeps feeding itself does not starve them. A prime, so
// that it does not beat with a pattern in the work.
constexpr std::uint32_t shared_first_every = 61;
// How many jobs a worker takes from the injection queue at once; the rest of them can be stolen.
constexpr std::size_t injection_batch = 32;
// How many spawned jobs a thief takes at once, and of those that there are half at most.
constexpr std::size_t most_stolen = 16;
// How often an idle worker looks round before it retires: some ten microseconds.
constexpr int spins_before_retiring = 200;
// When somebody else had its processor meanwhile, for longer than this, the processors are busy, and it goes back to Asio, where I/O may
// have come. Where others search as well it does so when anybody had it, and leaves what has come to them: two that search for one take
// turns, and each turn costs a switch.
constexpr std::int64_t long_yield_ns = 20'000;

std::int64_t now_ns() noexcept
{
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

} // namespace

// --- pumps -------------------------------------------------------------------------------------

bool scheduler::try_take_place(std::uint64_t place) noexcept
{
    std::uint64_t s = state_.load(std::memory_order_relaxed);
    while (running(s) < threads_)
        if (state_.compare_exchange_weak(s, s + place, std::memory_order_seq_cst, std::memory_order_relaxed))
            return true;
    return false;
}

void worker::begin_slice() noexcept
{
    pumping_ = true;
    tries_ = 0;
    last_read_ = now_ns();
    deadline_ = last_read_ + time_slice_ns;
    steps_left_ = steps_between_reads_;
}

bool worker::slice_over() noexcept
{
    if (!pumping_) {
        steps_left_ = 0;
        return ++tick_ % handler_steps == 0;
    }
    const std::int64_t now = now_ns();
    const std::int64_t since = now - last_read_;
    if (since > time_slice_ns / 8)
        steps_between_reads_ = std::max(steps_between_reads_ / 4, 1);
    else if (since < time_slice_ns / 32)
        steps_between_reads_ = std::min(steps_between_reads_ * 2, most_steps_between_reads);
    last_read_ = now;
    steps_left_ = steps_between_reads_;
    return now >= deadline_;
}

/// True when it is to go on, its slice being over: it keeps its place, and has to be posted.
bool scheduler::pump(worker& w, begun how) noexcept
{
    // Entered with a place taken in state_: one running, and one searching unless there is work that nobody needs to be told of.
    bool is_searching = how != begun::in_handler_untold;
    w.begin_slice();
    for (;;) {
        job* j = find(w);
        if (!j) {
            if (!is_searching) {
                state_.fetch_add(one_searching, std::memory_order_seq_cst);
                is_searching = true;
            }
            detail::spinning wait;
            // After work that came out of Asio more of it is likely to be there, and looks are.
            const bool waits_here = how == begun::posted && !w.looks_.load(std::memory_order_relaxed);
            bool one_too_many = false;
            for (int spin = waits_here ? 0 : spins_before_retiring; spin < spins_before_retiring && !j; ++spin) {
                const std::int64_t away = wait.turn(8);
                one_too_many = away > detail::spinning::to_somebody_ns && searching(state_.load(std::memory_order_relaxed)) > 1;
                if (one_too_many)
                    break;
                if (away > long_yield_ns)
                    spin = spins_before_retiring; // after one more look
                j = find(w);
            }
            if (!j) {
                w.end_pump();
                const std::uint64_t before = state_.fetch_sub(one_searching + one_running, std::memory_order_seq_cst);
                if (one_too_many && searching(before) > 1)
                    return false; // without a look: what is there is for the other, who will find it before it retires
                // The other half of the pushers' handshake: say that nobody searches any more, then look once more.
                if (!work_left(before) || !try_take_place())
                    return false;
                w.begin_slice();
                w.steal_with_barrier();    // what was seen there may not be laid out
                std::this_thread::yield(); // what is there may be half pushed, by a thread that waits for this processor
                continue;
            }
        }
        if (is_searching) {
            is_searching = false;
            // Pushers relied on us to look round. As the last who did so, see whether there is more than we can take; but only
            // where somebody is left to be woken. (Else it is for the next pump that retires to see it.)
            const std::uint64_t before = state_.fetch_sub(one_searching, std::memory_order_seq_cst);
            if (searching(before) == 1 && running(before) < threads_ && work_left(before))
                wake_one_if_idle();
        }
        w.tries_ = 0;
        detail::execute_step(*j, w.record_);
        if (TANDEM_UNLIKELY(running(state_.load(std::memory_order_relaxed)) > threads_) && leave_surplus()) {
            w.end_pump(); // what is left in its queues, the other pumps steal
            return false;
        }
        if (w.overdue()) {
            // To the end of Asio's queue; the reactor and whatever is ready come first.
            w.end_pump();
            state_.fetch_add(one_searching, std::memory_order_seq_cst);
            if (how != begun::in_handler_untold)
                impl_->others.serve_more(); // as long as there is more for this thread to do than I/O
            return true;
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
            w.notify();
        if (job* const j = w.spawns.take())
            return j;
    }
    if (job* const j = w.forks.pop())
        return j;
    if (job* const j = w.shared.take())
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
        w.notify(); // while a job was in our hands another worker may have had its last look, and gone idle
    return first;
}

/// Several at once, since they may be small; those that are not run at once can be stolen again.
job* scheduler::steal_spawned(worker& w, worker& from) noexcept
{
    job* taken[most_stolen];
    const std::size_t n = from.spawns.take_half(taken, most_stolen);
    if (n == 0)
        return nullptr;
    for (std::size_t k = 1; k < n; ++k) {
        detail::prefetch(taken[k]); // they come from another processor, and while one is on the way so may the next be
        w.spawns.push(taken[k]);
    }
    if (n > 1)
        w.notify(); // as in take_injected
    return taken[0];
}

job* scheduler::steal(worker& w) noexcept
{
    const bool with_barrier = ++w.tries_ > worker::tries_before_barrier;
    const std::size_t n = impl_->worker_count.load(std::memory_order_acquire);
    w.random_ = w.random_ * 6364136223846793005u + 1442695040888963407u;
    std::size_t victim = static_cast<std::size_t>(w.random_ >> 33) % n;
    for (std::size_t k = 0; k < n; ++k, victim = victim + 1 == n ? 0 : victim + 1) {
        worker& v = *impl_->workers[victim].load(std::memory_order_acquire);
        if (&v == &w)
            continue;
        if (job* const j = v.shared.take())
            return j;
        if (job* const j = steal_spawned(w, v))
            return j;
        if (with_barrier)
            if (job* const j = v.forks.steal())
                return j;
    }
    return nullptr;
}

/// Whether there is work that nobody may know of, for a pump that no longer searches; `before` is the state that it left.
bool scheduler::work_left(std::uint64_t before) const noexcept
{
    // Threads that have a place in state_ push with a light barrier, and the heavy one is for them. It costs microseconds where they run,
    // and so is left out when none was left but ours: who had one gave it up in state_, after its pushes, and who takes one there after us
    // sees what we wrote. All others, threads from outside and handlers of Asio's, push with a full barrier, or by an exchange.
    detail::full_barrier();
    if (has_work())
        return true;
    if (running(before) <= 1)
        return false;
    detail::heavy_barrier();
    return has_work();
}

bool scheduler::has_work() const noexcept
{
    if (injected_.has_any())
        return true;
    const std::size_t n = impl_->worker_count.load(std::memory_order_acquire);
    for (std::size_t k = 0; k < n; ++k) {
        const worker& w = *impl_->workers[k].load(std::memory_order_acquire);
        if (w.has_jobs())
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
