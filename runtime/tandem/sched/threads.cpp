// A scheduler's threads: their start and end, those that stand in for blocked ones, and the count of what is under way.

#include <tandem/sched/detail/scheduler_state.hpp>
#include <tandem/sched/scheduler.hpp>
#include <tandem/trace/observer.hpp>

#include <cstdio>
#include <memory>
#include <thread>
#include <utility>

#if defined(__linux__)
#include <pthread.h>
#endif

namespace tandem {

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

detail::scheduler_state::~scheduler_state()
{
    dog.reset();
    for (std::size_t k = 0; k < worker_count.load(); ++k)
        delete workers[k].load();
    sink->release();
}

// --- threads -----------------------------------------------------------------------------------

scheduler::scheduler(options o)
    : context(this)
    , threads_(o.threads)
    , impl_(new detail::scheduler_state(o.name, o.threads, std::move(o.initializer), new hook_sink(std::move(o.unhandled))))
{
    detail::scheduler_state& i = *impl_;
    i.watched = o.report_blocked_after.count() > 0;
    std::exception_ptr error;
    try {
        for (std::size_t k = 0; k < threads_; ++k) {
            i.workers[k].store(make_worker(k), std::memory_order_relaxed);
            i.worker_count.store(k + 1, std::memory_order_release);
            i.threads.emplace_back([this, k] { thread_main(k, false); });
        }
        if (i.watched)
            i.dog.emplace(i, o.report_blocked_after);
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
    // Acquire: what those did who are gone is done. They need a few instructions more, unless they have lost their processor.
    while (visitors_.load(std::memory_order_acquire) != 0)
        std::this_thread::yield();
    delete impl_;
}

worker* scheduler::make_worker(std::size_t index)
{
    auto w = std::make_unique<worker>(*this, index);
    if (impl_->watched)
        w->record_ = &impl_->records.emplace_back(); // one worker at a time is made: in the constructor, or under the lock
    return w.release();
}

void scheduler::thread_main(std::size_t index, bool substitute) noexcept
{
    detail::scheduler_state& i = *impl_;
    worker& w = *i.workers[index].load(std::memory_order_acquire);
    detail::this_thread().current_worker = &w;
    set_thread_host(&w);
    detail::set_step_record(w.record_);
    name_this_thread(i.name.c_str(), index);
    try {
        if (i.initializer)
            i.initializer();
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
    detail::this_thread().current_worker = nullptr;
    set_thread_host(nullptr);
    detail::set_step_record(nullptr);
}

void scheduler::stop_threads(bool abandon) noexcept
{
    detail::scheduler_state& i = *impl_;
    {
        const std::lock_guard lock(i.m);
        if (std::exchange(i.stopping, true))
            return;
    }
    i.timers.disarm();
    i.others.end();
    if (abandon)
        i.pool.stop();
    i.pool.wait(); // takes back the work that the pool itself counts as; with no threads of its own it does not block
    for (std::thread& t : i.threads)
        t.join();
    // Jobs that no pump came to, since Asio was stopped: a helper of a map that ended without it has a share of the loop to give back; one
    // that looks for what has come continues its task. They leave no new looks: this is no worker.
    if (worker* const w = i.workers[0].load(std::memory_order_acquire)) {
        w->steal_with_barrier();
        const std::size_t n = i.worker_count.load(std::memory_order_acquire);
        for (std::size_t k = 0; k < n; ++k)
            for (job* next = i.workers[k].load(std::memory_order_acquire)->take_looks(); job* const j = next;) {
                next = j->next_;
                j->execute(); // which may be its end
            }
        while (job* const j = find(*w))
            j->execute();
    }
}

// --- workers that block ------------------------------------------------------------------------

void worker::enter_blocking() noexcept
{
    if (record_)
        record_->pause();
    if (observer* const o = current_observer())
        o->worker_blocked();
    const std::uint64_t before = pumping_ ? owner_->state_.fetch_sub(scheduler::one_running, std::memory_order_seq_cst) : 0;
    owner_->add_substitute_if_needed();
    owner_->impl_->others.serve_more();
    if (owner_->work_left(before))
        owner_->wake_one_if_idle(); // its place is for whoever comes
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
    if (record_)
        record_->go_on();
}

void scheduler::add_substitute_if_needed() noexcept
{
    detail::scheduler_state& i = *impl_;
    const std::lock_guard lock(i.m);
    ++i.blocked;
    const std::size_t index = i.worker_count.load(std::memory_order_relaxed);
    if (i.stopping || index - i.blocked >= threads_ || index == detail::most_workers)
        return;
    i.has_substitutes.store(true, std::memory_order_relaxed);
    try {
        i.workers[index].store(make_worker(index), std::memory_order_release);
        i.worker_count.store(index + 1, std::memory_order_release);
        i.threads.emplace_back([this, index] { thread_main(index, true); });
    }
    catch (...) {
        // No memory or no thread to be had: the remaining workers carry on. The slot, if made, stays as an empty queue.
        unhandled().report(std::current_exception());
    }
}

// --- accounting ---------------------------------------------------------------------------------

void scheduler::count_submitted() noexcept
{
    if (worker* const w = own_worker())
        add_one(w->submitted_);
    else
        submitted_outside_.fetch_add(1, std::memory_order_seq_cst);
}

void scheduler::count_finished() noexcept
{
    if (worker* const w = own_worker()) {
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
