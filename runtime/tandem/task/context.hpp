#pragma once

#include <tandem/base/asio_fwd.hpp>
#include <tandem/cancel/stop_token.hpp>
#include <tandem/task/job.hpp>
#include <tandem/task/timer.hpp>

#include <atomic>
#include <cstdint>
#include <exception>

namespace tandem {

class scheduler;

/// Takes exceptions that nobody will see: what a callback threw, what a task ended with whose handle was dropped. Shared by count,
/// because a handle may outlive its pool.
class error_sink {
public:
    error_sink() noexcept = default;
    error_sink(const error_sink&) = delete;
    error_sink& operator=(const error_sink&) = delete;

    /// The default prints one line on standard error. May be called from several threads at once.
    virtual void report(const std::exception_ptr& error) noexcept;

    void add_reference() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
    void release() noexcept
    {
        // acq_rel: the one who destroys it sees what the others did with it
        if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1)
            delete this;
    }

protected:
    virtual ~error_sink();

private:
    std::atomic<int> references_{1};
};

/// Where tasks run: a pool's scheduler, an Asio executor, or the loop inside `sync_wait`. A task resumes on its own context after
/// every wait. For implementers; users name a pool or an Asio executor.
class context {
public:
    context(const context&) = delete;
    context& operator=(const context&) = delete;

    /// Queues `j` to be executed once on this context. Callable from any thread.
    virtual void post(job& j) noexcept = 0;

    /// As `post`, called at the end of the completion handler of an Asio operation that `j` waited for: may run `j` here and now.
    virtual void resume_from_handler(job& j) noexcept { post(j); }

    /// The Asio executor behind this context, or null when it has none; its address holds as long as the context.
    [[nodiscard]] virtual const asio::any_io_executor* executor() const noexcept { return nullptr; }

    /// Where exceptions go that nobody will see. The default sink lives for ever.
    [[nodiscard]] virtual error_sink& unhandled() noexcept;

    /// Has `t` queued on `t.ctx`, this context as a rule, when its deadline has come; false when it was stopped before. Once it is started
    /// another thread may execute and destroy it, so this is the caller's last touch. Callable from any thread.
    virtual bool start_timer(timer& t) noexcept = 0;
    /// Takes `t` out, which then belongs to the caller again: true. False when it has been queued already, or was not started yet; in the
    /// latter case `start_timer` will refuse it. Callable from any thread.
    virtual bool stop_timer(timer& t) noexcept = 0;
    /// What the deadlines of timers are counted in: nanoseconds since the epoch of std::chrono::steady_clock.
    [[nodiscard]] virtual std::int64_t now_ns() const noexcept;

    /// True when a thread that waits for work of this context would itself be the one to run it, so that waiting would hang.
    [[nodiscard]] virtual bool would_deadlock_here() const noexcept { return false; }

    /// What stops everything on this context, whatever shields it: a pool's `terminate`. Of no source when there is no such thing.
    [[nodiscard]] stop_token terminate_token() const noexcept { return terminate_; }

    /// The work-stealing scheduler, when this context is one.
    [[nodiscard]] scheduler* work_stealing() const noexcept { return scheduler_; }

    /// Whether the waits of tasks on this context are to be noted, so that those which never end can be told: see task/waiting.hpp.
    [[nodiscard]] bool logs_waits() const noexcept { return logs_waits_; }

protected:
    explicit context(scheduler* s = nullptr, bool logs_waits = false) noexcept : scheduler_(s), logs_waits_(logs_waits) {}
    ~context() = default;
    void set_terminate_token(stop_token t) noexcept { terminate_ = t; }

private:
    stop_token terminate_;
    scheduler* scheduler_;
    const bool logs_waits_;
};

namespace detail {

/// What a task-local variable is bound to, for all that inherit the environment which points here.
struct local_binding {
    const void* key;
    const void* value;
    const local_binding* outer;
};

} // namespace detail

/// What a task inherits from the one that awaits it: where it runs, what may stop it, and its task-local variables. Owned by the root (a spawned task) or by
/// a combinator that gives its children a stop source of their own; tasks hold a pointer.
struct environment {
    environment(context& c, stop_token parent) noexcept : ctx(&c), stop(parent) {}
    /// Like `parent`, with a stop source of its own below the parent's, or below `above`.
    explicit environment(const environment& parent) noexcept : environment(parent, parent.stop.get_token()) {}
    environment(const environment& parent, stop_token above) noexcept : ctx(parent.ctx), stop(above), locals(parent.locals) {}

    context* ctx;
    stop_source stop;
    const detail::local_binding* locals = nullptr;
};

/// The environment of a task that is awaited by a foreign coroutine: resumes at once, on whichever thread; is never stopped.
[[nodiscard]] environment& detached_environment() noexcept;

} // namespace tandem
