#include <tandem/sched/scheduler.hpp>
#include <tandem/trace/observer.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/post.hpp>
#include <asio/thread_pool.hpp>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <deque>
#include <latch>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#if defined(__linux__)
#include <pthread.h>
#endif

namespace tandem {

namespace {

constinit thread_local worker* this_thread_worker = nullptr;

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
// One worker more for each that blocks, up to this many; past it a blocked worker is not replaced.
constexpr std::size_t most_workers = 1024;

std::int64_t now_ns() noexcept
{
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void name_this_thread(const char* pool, std::size_t index) noexcept
{
#if defined(__linux__)
    char name[16]; // the kernel's limit
    std::snprintf(name, sizeof name, "%.10s-%zu", pool[0] ? pool : "tandem", index % 1000);
    pthread_setname_np(pthread_self(), name);
#else
    static_cast<void>(pool);
    static_cast<void>(index);
#endif
}

// Only the owner thread writes, so no read-modify-write is needed. release: what the task did happens before what the reader of the
// counter does next.
void add_one(std::atomic<std::uint64_t>& own_counter) noexcept
{
    own_counter.store(own_counter.load(std::memory_order_relaxed) + 1, std::memory_order_release);
}

} // namespace

worker* detail::this_worker_slow() noexcept { return this_thread_worker; }

namespace {

struct hook_sink final : error_sink {
    explicit hook_sink(unique_function<void(std::exception_ptr)> h) noexcept : hook(std::move(h)) {}
    void report(const std::exception_ptr& error) noexcept override
    {
        if (!hook) {
            error_sink::report(error);
            return;
        }
        try {
            hook(error);
        }
        catch (...) {
            error_sink::report(std::current_exception()); // the hook itself threw
        }
    }
    unique_function<void(std::exception_ptr)> hook;
};

} // namespace

struct scheduler::impl {
    explicit impl(options&& o) : settings(std::move(o)), name(settings.name), sink(new hook_sink(std::move(settings.unhandled))), started(static_cast<std::ptrdiff_t>(settings.threads)) {}

    options settings;
    std::string name;
    error_sink* sink;
    // No threads of its own: ours attach, so that each is named, has its slot and has run the initializer before any work comes.
    // (A pool of one thread made by Asio itself also keeps posted handlers in a thread-private queue, which nobody could reach
    // while that thread blocks.)
    asio::thread_pool pool{0};
    asio::any_io_executor executor{pool.get_executor()};

    // Slots are added, never removed, and published by the count: readers index without a lock.
    std::vector<std::atomic<worker*>> workers{most_workers};
    std::atomic<std::size_t> worker_count{0};

    std::mutex m; // guards what follows
    std::vector<std::thread> threads;
    std::size_t blocked = 0;
    bool stopping = false;
    std::exception_ptr initializer_error;
    std::latch started;

    std::mutex idle_m;
    std::condition_variable idle;
    std::atomic<bool> has_substitutes{false};

    ~impl()
    {
        for (std::size_t k = 0; k < worker_count.load(); ++k)
            delete workers[k].load();
        sink->release();
    }
};

// --- threads -----------------------------------------------------------------------------------

scheduler::scheduler(options o) : context(this), threads_(o.threads), impl_(new impl(std::move(o)))
{
    impl& i = *impl_;
    std::exception_ptr error;
    try {
        for (std::size_t k = 0; k < threads_; ++k) {
            i.workers[k].store(new worker(*this, k), std::memory_order_relaxed);
            i.worker_count.store(k + 1, std::memory_order_release);
            i.threads.emplace_back([this, k] { thread_main(k, false); });
        }
        i.started.wait();
        error = i.initializer_error; // the latch orders this after the threads' writes
    }
    catch (...) {
        error = std::current_exception();
        // Fewer threads than asked for: those that did start must not wait for the rest.
        i.started.count_down(static_cast<std::ptrdiff_t>(threads_ - i.threads.size()));
    }
    if (error) {
        stop_threads(true);
        delete impl_;
        std::rethrow_exception(error);
    }
}

scheduler::~scheduler()
{
    stop_threads(true);
    delete impl_;
}

void scheduler::thread_main(std::size_t index, bool substitute) noexcept
{
    impl& i = *impl_;
    worker& w = *i.workers[index].load(std::memory_order_acquire);
    this_thread_worker = &w;
    set_thread_host(&w);
    name_this_thread(i.name.c_str(), index);
    try {
        if (i.settings.initializer)
            i.settings.initializer();
    }
    catch (...) {
        if (substitute)
            unhandled().report(std::current_exception());
        else {
            const std::lock_guard lock(i.m);
            if (!i.initializer_error)
                i.initializer_error = std::current_exception();
        }
    }
    if (!substitute)
        i.started.arrive_and_wait();
    i.pool.attach();
    this_thread_worker = nullptr;
    set_thread_host(nullptr);
}

void scheduler::stop_threads(bool abandon) noexcept
{
    impl& i = *impl_;
    {
        const std::lock_guard lock(i.m);
        if (std::exchange(i.stopping, true))
            return;
    }
    if (abandon)
        i.pool.stop();
    i.pool.wait(); // takes back the work that the pool itself counts as; with no threads of its own it does not block
    for (std::thread& t : i.threads)
        t.join();
    // Jobs that no pump came to, since Asio was stopped: a helper of a map that ended without it has a share of the loop to give back.
    if (worker* const w = i.workers[0].load(std::memory_order_acquire))
        while (job* const j = find(*w))
            j->execute();
}

// --- the way in --------------------------------------------------------------------------------

void scheduler::post(job& j) noexcept
{
    worker* const w = this_worker();
    if (w && &w->owner() == this)
        w->spawns.push(&j);
    else
        injected_.push(&j);
    notify();
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
        if (state_.compare_exchange_weak(s, s + one_running + one_searching, std::memory_order_seq_cst, std::memory_order_relaxed)) {
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
        if (job* const j = take_injected(w))
            return j;
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
    injected_.pop(injection_batch, [&](job* j) {
        if (first)
            w.spawns.push(j);
        else
            first = j;
    });
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

// --- workers that block ------------------------------------------------------------------------

void worker::enter_blocking() noexcept
{
    if (observer* const o = current_observer())
        o->worker_blocked();
    if (pumping_)
        owner_->state_.fetch_sub(scheduler::one_running, std::memory_order_seq_cst); // its place, for whoever comes
    owner_->add_substitute_if_needed();
    detail::heavy_barrier();
    if (owner_->has_work())
        owner_->notify();
}

void worker::leave_blocking() noexcept
{
    {
        const std::lock_guard lock(owner_->impl_->m);
        --owner_->impl_->blocked;
    }
    if (pumping_)
        // Without asking: the caller may hold a lock that the substitute's task wants. There is one more than asked for until the
        // substitute's pump ends its task or its time slice.
        owner_->state_.fetch_add(scheduler::one_running, std::memory_order_seq_cst);
}

void scheduler::add_substitute_if_needed() noexcept
{
    impl& i = *impl_;
    const std::lock_guard lock(i.m);
    ++i.blocked;
    const std::size_t index = i.worker_count.load(std::memory_order_relaxed);
    if (i.stopping || index - i.blocked >= threads_ || index == most_workers)
        return;
    i.has_substitutes.store(true, std::memory_order_relaxed);
    try {
        i.workers[index].store(new worker(*this, index), std::memory_order_release);
        i.worker_count.store(index + 1, std::memory_order_release);
        i.threads.emplace_back([this, index] { thread_main(index, true); });
    }
    catch (...) {
        // No memory or no thread to be had: the remaining workers carry on. The slot, if made, stays as an empty queue.
        unhandled().report(std::current_exception());
    }
}

// --- the rest ----------------------------------------------------------------------------------

const asio::any_io_executor* scheduler::executor() const noexcept { return &impl_->executor; }
asio::thread_pool& scheduler::asio_pool() noexcept { return impl_->pool; }
bool scheduler::has_initializer() const noexcept { return static_cast<bool>(impl_->settings.initializer); }
const char* scheduler::name() const noexcept { return impl_->name.c_str(); }

error_sink& scheduler::unhandled() noexcept { return *impl_->sink; }

void scheduler::count_submitted() noexcept
{
    worker* const w = this_worker();
    if (w && &w->owner() == this)
        add_one(w->submitted_);
    else
        submitted_outside_.fetch_add(1, std::memory_order_seq_cst);
}

void scheduler::count_finished() noexcept
{
    worker* const w = this_worker();
    if (w && &w->owner() == this) {
        w->finished_.store(w->finished_.load(std::memory_order_relaxed) + 1, detail::dekker_store);
        detail::light_barrier();
    }
    else {
        // Not one of the threads that are joined before this object goes: hold the waiter off until we are done with it.
        const std::lock_guard lock(impl_->idle_m);
        finished_outside_.fetch_add(1, std::memory_order_seq_cst);
        impl_->idle.notify_all();
        return;
    }
    // Against wait_idle(): either it sees our count, or we see that it waits.
    if (TANDEM_UNLIKELY(idle_waiter_.load(detail::dekker_load))) {
        // Under the lock, so that of two workers that finish together the second sees both counts.
        const std::lock_guard lock(impl_->idle_m);
        const counts c = count();
        if (c.submitted == c.finished)
            impl_->idle.notify_all();
    }
}

scheduler::counts scheduler::count() const noexcept
{
    // Finished first: both only grow and submitted is never below finished, so equal sums mean that at the moment between the two
    // loops nothing was running.
    const std::size_t n = impl_->worker_count.load(std::memory_order_acquire);
    std::uint64_t finished = finished_outside_.load(detail::dekker_load);
    for (std::size_t k = 0; k < n; ++k)
        finished += impl_->workers[k].load(std::memory_order_acquire)->finished_.load(detail::dekker_load);
    const std::size_t m = impl_->worker_count.load(std::memory_order_acquire);
    std::uint64_t submitted = submitted_outside_.load(detail::dekker_load);
    for (std::size_t k = 0; k < m; ++k)
        submitted += impl_->workers[k].load(std::memory_order_acquire)->submitted_.load(detail::dekker_load);
    return {submitted, finished};
}

void scheduler::wait_idle() noexcept
{
    idle_waiter_.store(true, std::memory_order_seq_cst);
    detail::heavy_barrier();
    std::unique_lock lock(impl_->idle_m);
    impl_->idle.wait(lock, [this] {
        const counts c = count();
        return c.submitted == c.finished;
    });
}

} // namespace tandem
