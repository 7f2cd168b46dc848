#pragma once

#include <atomic>
#include <cstdint>
#include <exception>

namespace tandem {

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
};

/// Installs `o` (not owned; null removes) and returns the one before. The caller keeps `o` alive until no pool can call it.
observer* set_observer(observer* o) noexcept;

/// How many exceptions the combinators of this process could not deliver: those of observer::error_superseded.
[[nodiscard]] std::uint64_t superseded_errors() noexcept;

namespace detail {
extern std::atomic<observer*> installed_observer;

/// Counts `error`, and shows it to the observer, unless it is an operation_cancelled.
void report_superseded(const std::exception_ptr& error) noexcept;
} // namespace detail

/// The installed observer, or null.
inline observer* current_observer() noexcept
{
    // acquire: pairs with the store in set_observer, so that the object is seen as constructed
    return detail::installed_observer.load(std::memory_order_acquire);
}

} // namespace tandem
