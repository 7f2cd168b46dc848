#pragma once

#include <tandem/trace/source_line.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <string_view>

namespace tandem {

/// A worker that user code keeps for longer than its pool's limit: `thread_pool_options::report_blocked_after`.
struct blocked_worker {
    std::string_view pool;                ///< its name
    std::size_t worker;                   ///< the number of its thread, from 0
    std::chrono::nanoseconds blocked_for; ///< at least
    std::string_view task;                ///< the name that `named` gave to the task, its first 40 characters; or empty
    source_line line;          ///< of the co_await behind which the task runs, or where it begins; none for a plain function
    std::string_view function; ///< the type of a plain function; or empty
};

/// Receives what the runtime does, for metrics and tracing. Derive, override what you need, and install with `set_observer`.
///
/// Thread safety: every hook may be called from any thread, several at once. Hooks must not throw and should be short: they run
/// on the worker that did the thing. Cost when none is installed: one relaxed load at each place named below, and nothing at a
/// `co_await` or at a fork.
class observer {
public:
    observer() = default;
    observer(const observer&) = delete;
    observer& operator=(const observer&) = delete;
    virtual ~observer();

    /// A root task (a pool call, a spawned coroutine) was accepted; `id` is unique among those alive.
    virtual void task_submitted(const void* id) noexcept;
    /// That task ended, with a value (`error` null) or with an exception.
    virtual void task_finished(const void* id, const std::exception_ptr& error) noexcept;
    /// An exception that a combinator could not deliver, because an earlier one was rethrown or another child had won. The
    /// operation_cancelled of a child that was asked to stop is none.
    virtual void error_superseded(const std::exception_ptr& error) noexcept;
    /// A worker is about to wait inside a blocking verb, and another thread takes its place.
    virtual void worker_blocked() noexcept;
    /// A worker is kept by user code, and nobody takes its place. Once for each time. The default prints a line on standard error, as it is
    /// done without an observer. `b` is for the call only.
    virtual void worker_stalled(const blocked_worker& b) noexcept;
};

/// Installs `o` (not owned; null removes) and returns the one before. The caller keeps `o` alive until no pool can call it.
observer* set_observer(observer* o) noexcept;

/// How many exceptions the combinators of this process could not deliver: those of observer::error_superseded.
[[nodiscard]] std::uint64_t superseded_errors() noexcept;

namespace detail {
extern std::atomic<observer*> installed_observer;

/// Counts `error`, and shows it to the observer, unless it is an operation_cancelled.
void report_superseded(const std::exception_ptr& error) noexcept;
void print(const blocked_worker& b) noexcept;
} // namespace detail

/// The installed observer, or null.
inline observer* current_observer() noexcept
{
    // acquire: pairs with the store in set_observer, so that the object is seen as constructed
    return detail::installed_observer.load(std::memory_order_acquire);
}

} // namespace tandem
