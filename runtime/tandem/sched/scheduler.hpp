#pragma once

#include <tandem/base/asio_fwd.hpp>
#include <tandem/base/unique_function.hpp>
#include <tandem/sched/detail/injection_queue.hpp>
#include <tandem/sched/detail/work_deque.hpp>
#include <tandem/sched/detail/work_queue.hpp>
#include <tandem/task/blocking.hpp>
#include <tandem/task/context.hpp>
#include <tandem/task/thread_state.hpp>

#include <atomic>
#include <chrono>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>

namespace tandem {

class scheduler;

namespace detail {
struct scheduler_state;
class step_record;
} // namespace detail

/// A worker's slot: its queues and counters. Bound to one thread of the asio::thread_pool for that thread's whole life.
class alignas(cache_line) worker final : public thread_host {
public:
    worker(scheduler& s, std::size_t index) noexcept : owner_(&s), index_(index), random_(index * 0x9e3779b97f4a7c15u + 1) {}

    [[nodiscard]] scheduler& owner() const noexcept { return *owner_; }
    [[nodiscard]] std::size_t index() const noexcept { return index_; }
    /// How many completion handlers of Asio it has run; from any thread.
    [[nodiscard]] std::uint64_t handlers() const noexcept { return handlers_.load(std::memory_order_relaxed); }
    /// After a push to one of the queues below: sees that somebody comes who is idle.
    void notify() noexcept;
    /// The same after a push to the forks: if others look for work, the oldest fork is laid out for them.
    void notify_of_forks() noexcept;
    /// What the watchdog looks at, or null without one.
    [[nodiscard]] detail::step_record* record() const noexcept { return record_; }

    /// The forks of coroutines that run here: newest first for the owner, oldest first for thieves.
    detail::work_deque forks;
    /// Of the forks those that were laid out for thieves: they need no barrier here.
    detail::work_queue shared;
    /// What was spawned, or became ready, here: oldest first for everybody.
    detail::work_queue spawns;
    /// Whether any of the three has something; a hint unless asked by the owner.
    [[nodiscard]] bool has_jobs() const noexcept { return !forks.empty() || !shared.empty() || !spawns.empty(); }

    /// Counts one step that did not go through the scheduler's loop. True, seldom, when the loop is overdue: then queue the next step
    /// instead of running it inline, so that Asio gets its turn.
    [[nodiscard]] bool overdue() noexcept { return !count_step() && slice_over(); }
    /// The first half of it: false, seldom, when the clock is to be looked at, which `overdue` will do if it is called then; and always false
    /// on a thread that has no place among the running ones.
    [[nodiscard]] TANDEM_ALWAYS_INLINE bool count_step() noexcept { return TANDEM_LIKELY(--steps_left_ > 0); }
    /// Says that the running step knows itself to be long: the loop looks at the clock right after it.
    void end_slice() noexcept { steps_left_ = 0; }

    void enter_blocking() noexcept override;
    void leave_blocking() noexcept override;

private:
    friend scheduler;
    void begin_slice() noexcept;
    bool slice_over() noexcept;
    /// Lets it steal what is not laid out for thieves as well, from the next look on.
    void steal_with_barrier() noexcept { tries_ = tries_before_barrier; }
    std::uint64_t queue_rest(job& first) noexcept;
    [[nodiscard]] job* take_looks() noexcept;
    void count_handlers(std::uint64_t n) noexcept { handlers_.store(handlers() + n, std::memory_order_relaxed); }
    void end_pump() noexcept
    {
        pumping_ = false;
        steps_left_ = 0;
    }

    // So often a thief looks for what is laid out for it before it takes what is not: as long as a membarrier takes where it is slow.
    static constexpr std::uint32_t tries_before_barrier = 40;

    scheduler* owner_;
    std::size_t index_;
    std::uint64_t random_;
    std::int32_t steps_left_ = 0; // until the clock is read; not positive unless pumping_
    std::int32_t steps_between_reads_ = 1;
    std::int64_t last_read_ = 0; // steady clock, nanoseconds, as deadline_
    std::uint32_t tick_ = 0;
    std::uint32_t tries_ = 0;               // to steal, since the last job
    std::int64_t deadline_ = 0;             // when the loop gives its thread back to Asio
    bool pumping_ = false;                  // it has its place in state_
    detail::step_record* record_ = nullptr; // set before the thread starts
    std::uint64_t handlers_when_asked_ = 0; // whether it is one too many
    std::int32_t luck_ = 0;                 // with looks; while it is negative, so many are not made
    // Jobs that wait for the handlers which are ready, newest first. While there are any, a handler of Asio's is on its way that takes them.
    std::atomic<job*> looks_{nullptr};
    // Written by this thread only, so plain stores do; read by whoever sums up.
    std::atomic<std::uint64_t> submitted_{0};
    std::atomic<std::uint64_t> finished_{0};
    std::atomic<std::uint64_t> handlers_{0};
};

/// The work-stealing scheduler: queues whose workers are the threads of an asio::thread_pool, which goes on serving I/O and timers.
///
/// A *pump* is a handler posted to Asio that turns its thread into a running worker: it drains the thread's own queues, then the
/// injection queue, then steals; spins briefly; and gives the thread back. It also gives it back after a time slice, so that no
/// flood of tasks starves a timer. Thread safety: every member may be called from any thread, unless it says otherwise.
class scheduler final : public context {
public:
    struct options {
        std::size_t threads = 1;
        const char* name = "";
        unique_function<void()> initializer; // runs once on every worker before it takes work
        unique_function<void(std::exception_ptr)> unhandled;
        std::chrono::nanoseconds report_blocked_after{0}; // 0: no watchdog
    };

    /// Starts the threads and waits until each has run the initializer; rethrows the first exception of an initializer.
    /// `initializer` and `unhandled` may run on several threads at once.
    explicit scheduler(options o);
    ~scheduler();

    using context::set_terminate_token; ///< once, before there is work
    /// For jobs that wait for something and are resumed from anywhere: the scheduler may be destroyed as soon as the job has run.
    void post(job& j) noexcept override;
    /// The same for a caller who sees to it that the scheduler outlives the call.
    void submit(job& j) noexcept;
    /// The same for one who will now wait for the job: a worker that is just done with another is given a moment to see it, before one more
    /// is woken.
    void submit_and_linger(job& j) noexcept;
    /// Queues `j`, which is the job that runs on this thread, once more. Nobody is woken for it, since this worker goes on with it: that
    /// would only make two threads change places.
    void repeat(job& j) noexcept;
    bool start_timer(timer& t) noexcept override;
    bool stop_timer(timer& t) noexcept override;
    [[nodiscard]] const asio::any_io_executor* executor() const noexcept override;
    [[nodiscard]] error_sink& unhandled() noexcept override;

    /// Resumes `h` here, in the completion handler of an Asio operation on one of this scheduler's threads, and drains what it forks.
    void resume_from_handler(job& j) noexcept override;
    /// The same for several, linked by `next_`, the last with null. `others_come`: an idle thread calls `share_work` within a moment, so
    /// none is woken.
    void resume_from_handler(job* first, bool others_come) noexcept;
    /// Wakes a thread if one is idle while there is work.
    void share_work() noexcept;
    /// Has `j`, which looks whether something has come, executed behind the handlers that are ready in Asio; on a worker of this scheduler. Then
    /// this is the caller's last touch. False: `j` is not queued, since elsewhere there is no such place, or since it does not pay here.
    [[nodiscard]] bool look_behind_handlers(job& j) noexcept;
    /// By a job that was executed so: whether it had come.
    void looked(bool found) noexcept;

    /// For a worker whose `count_step` was true, after a push to its forks: whether to call its `notify_of_forks`.
    [[nodiscard]] TANDEM_ALWAYS_INLINE bool needs_notify() const noexcept
    {
        // The pusher's half of a Dekker handshake with work_left(): either we see that nobody is searching, and wake somebody, or the
        // worker that is about to go idle sees our push in its last look.
        detail::light_barrier();
        return somebody_wants_work();
    }

    [[nodiscard]] std::size_t size() const noexcept { return threads_; }
    [[nodiscard]] asio::thread_pool& asio_pool() noexcept;
    [[nodiscard]] const char* name() const noexcept;
    [[nodiscard]] bool has_initializer() const noexcept;

    // Accounting of root tasks, for join and stats.
    void count_submitted() noexcept;
    void count_finished() noexcept;
    struct counts {
        std::uint64_t submitted;
        std::uint64_t finished;
    };
    [[nodiscard]] counts count() const noexcept;

    /// Blocks until all root tasks have ended. Not on a worker of this scheduler.
    void wait_idle() noexcept;
    /// After wait_idle(): lets the threads end (waits for what Asio still has to do, unless `abandon`) and joins them.
    void stop_threads(bool abandon) noexcept;

private:
    friend worker;

    static constexpr std::uint64_t one_running = 1;
    static constexpr std::uint64_t one_searching = std::uint64_t{1} << 32;
    static constexpr std::uint64_t running(std::uint64_t s) noexcept { return s & 0xffffffffu; }
    static constexpr std::uint64_t searching(std::uint64_t s) noexcept { return s >> 32; }

    /// Nobody searches, and not all run: the one half of the word is 0 and the other below threads_. seq_cst: the pusher's half of the
    /// handshake that is not made with barriers.
    [[nodiscard]] TANDEM_ALWAYS_INLINE bool somebody_idles() const noexcept
    {
        return state_.load(std::memory_order_seq_cst) < threads_;
    }
    /// Somebody idles, or searches.
    [[nodiscard]] TANDEM_ALWAYS_INLINE bool somebody_wants_work() const noexcept
    {
        return state_.load(std::memory_order_seq_cst) != threads_;
    }
    void wake_one() noexcept;
    void wake_one_if_idle() noexcept
    {
        if (somebody_idles())
            wake_one();
    }
    void inject(job& j) noexcept;
    bool push_here(job& j) noexcept;
    /// The worker of this scheduler that the calling thread is, or null.
    [[nodiscard]] worker* own_worker() const noexcept
    {
        worker* const w = this_worker();
        return w && &w->owner() == this ? w : nullptr;
    }
    [[nodiscard]] worker* handlers_worker() const noexcept;
    [[nodiscard]] bool work_left(std::uint64_t before) const noexcept;
    void execute_first(worker& w, job& first, bool others_come) noexcept;
    void follow_if_too_many_serve(worker& w) noexcept;
    void execute_looks(worker& of) noexcept;
    [[nodiscard]] bool try_take_place(std::uint64_t place = one_running + one_searching) noexcept;
    [[nodiscard]] bool leave_surplus() noexcept;
    enum class begun : unsigned char { posted, in_handler, in_handler_untold };
    struct pump_handler;
    void post_pump(begun how = begun::posted) noexcept;
    [[nodiscard]] bool pump(worker& w, begun how = begun::posted) noexcept;
    job* find(worker& w) noexcept;
    job* take_injected(worker& w) noexcept;
    job* steal(worker& w) noexcept;
    job* steal_spawned(worker& w, worker& from) noexcept;
    [[nodiscard]] bool has_work() const noexcept;
    worker* make_worker(std::size_t index);
    void thread_main(std::size_t index, bool substitute) noexcept;
    void add_substitute_if_needed() noexcept;

    // Read by all and hardly ever written: kept off the lines that follow.
    std::uint64_t threads_;
    detail::scheduler_state* impl_;
    std::atomic<bool> idle_waiter_{false};

    // How many pumps exist (posted to Asio or running), and how many of those are sure to look at every queue again before they
    // work or retire. One word, so that both change in one step.
    alignas(cache_line) std::atomic<std::uint64_t> state_{0};
    detail::injection_queue injected_;
    alignas(cache_line) std::atomic<std::uint64_t> submitted_outside_{0};
    std::atomic<std::uint64_t> finished_outside_{0};
    std::atomic<std::uint64_t> visitors_{0}; // threads that are not ours and are inside post()
};

} // namespace tandem
