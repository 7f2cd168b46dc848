#pragma once
// Who waits for what: so that a task which can never finish, or one that keeps its thread for too long, can be named. For implementers of
// waits, combinators and contexts.

#include <tandem/base/config.hpp>
#include <tandem/task/context.hpp>
#include <tandem/task/job.hpp>
#include <tandem/task/task.hpp>
#include <tandem/trace/source_line.hpp>

#include <atomic>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <string>

namespace tandem::detail {

/// How to read the jobs of one kind, which are known by the function that executes them. One object of static lifetime per kind, whose
/// construction makes the kind known; jobs of other kinds are waits that cannot be told.
class job_kind {
public:
    struct description {
        std::coroutine_handle<> task; // the task that the job begins or continues, or null
        const char* waits_for;        // a word or two
        std::int64_t until_ns = 0;    // of the context's clock, for a wait that time ends
    };
    using function = description(const job&) noexcept;

    job_kind(job::function* execute, function* reader) noexcept;
    job_kind(const job_kind&) = delete;
    job_kind& operator=(const job_kind&) = delete;

    /// Null and null for a kind that is not known.
    [[nodiscard]] static description describe(const job& j) noexcept;

private:
    job::function* execute_;
    function* reader_;
    const job_kind* next_;
};

/// The same for those who are notified when a task ends: which task waits for it, by means of what.
class completion_kind {
public:
    struct description {
        std::coroutine_handle<> parent; // the task that waits, or null
        const char* combinator;
        std::size_t number; // of the child, counted from 1, among `of`; 0: they are not counted
        std::size_t of;
    };
    using function = description(const completion&) noexcept;

    completion_kind(completion::function* done, function* reader) noexcept;
    completion_kind(const completion_kind&) = delete;
    completion_kind& operator=(const completion_kind&) = delete;

    [[nodiscard]] static description describe(const completion& c) noexcept;

private:
    completion::function* done_;
    function* reader_;
    const completion_kind* next_;
};

extern std::atomic<int> waits_are_logged;
void log_wait(const context& c, const job& j);
void forget_wait(const job& j) noexcept;

/// By a wait that is about to suspend the task which `j` will continue: noted when `c` is a context that logs waits. Cost otherwise: a load.
inline void begins_to_wait(const context& c, const job& j)
{
    // Relaxed: a context that logs is made before tasks run on it, which orders the two.
    if (TANDEM_UNLIKELY(waits_are_logged.load(std::memory_order_relaxed) != 0) && c.logs_waits())
        log_wait(c, j);
}
/// By a wait that is over, or whose coroutine is being destroyed; also when it was not noted. The context may be gone.
inline void has_waited(const job& j) noexcept
{
    if (TANDEM_UNLIKELY(waits_are_logged.load(std::memory_order_relaxed) != 0))
        forget_wait(j);
}

/// For the lifetime of a context that logs waits.
class wait_log {
public:
    explicit wait_log(const context& c) noexcept : context_(c) { waits_are_logged.fetch_add(1, std::memory_order_relaxed); }
    ~wait_log();
    wait_log(const wait_log&) = delete;
    wait_log& operator=(const wait_log&) = delete;

    /// The tasks that wait on the context, from `root` down and then those above which there is no root, one on a line: its name (where that
    /// is not the one above), where it stands, and what it waits for. While none of them runs. `root`, a task that has not ended,
    /// may be null.
    [[nodiscard]] std::string tree(std::coroutine_handle<> root) const;

private:
    const context& context_;
};

/// Whether that is in the coroutine which makes a task of another awaitable, and is of no interest to anybody.
[[nodiscard]] bool is_wrapper(source_line l);

/// The name that `named` gave to the task behind `h`, or to one above it.
[[nodiscard]] const std::string* task_name(std::coroutine_handle<> h) noexcept;
/// Where it stands: its last co_await, or where it begins.
[[nodiscard]] inline source_line task_line(std::coroutine_handle<> h) noexcept
{
    return source_line(promise_base::of(h).stands_at_);
}

} // namespace tandem::detail
