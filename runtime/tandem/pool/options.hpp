#pragma once

#include <tandem/base/unique_function.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>

namespace tandem {

/// One per core that this machine has; at least 1.
[[nodiscard]] std::size_t default_thread_count() noexcept;

struct thread_pool_options {
    std::size_t threads = default_thread_count(); ///< how many, 1 to 1024
    std::string name = {};                        ///< in messages and as the threads' name; "pool" if empty
    unique_function<void()> initializer = {};     ///< runs on every thread before it takes work; may run on several at once
    std::size_t queue_limit = 0;                  ///< calls from outside that may wait in the queue; 0: no limit
    unique_function<void(std::exception_ptr)> unhandled = {}; ///< takes errors nobody sees; default: a line on stderr. Any thread
    /// What of user code keeps a worker for longer than this is reported, once: to observer::worker_stalled, or as a line on standard error.
    /// 0: nothing is, and nothing is watched. Costs a thread, and some ten nanoseconds for each step of a task.
    std::chrono::nanoseconds report_blocked_after{0};
};

struct map_options {
    std::size_t chunk = 0;       ///< items handed to a worker at a time; 0: chosen while running
    std::size_t concurrency = 0; ///< coroutine functions: how many items are under way at once; 0: all
    /// Called now and then with (items done, items in all), one call at a time, from the threads that do the work; last with both equal
    /// unless the map fails. What it throws goes to the pool's `unhandled` hook. For plain functions.
    unique_function<void(std::size_t, std::size_t)> progress = {};
};

struct imap_options {
    std::size_t chunk = 1;  ///< items handed to a worker at a time; at least 1
    std::size_t window = 0; ///< items read but not yet given out, at most; at least `chunk`; 0: four chunks per worker
};

/// A snapshot of a pool. The counts are of calls: what `apply_async`, `co_spawn` and the like submitted, and one for each map.
struct pool_stats {
    std::size_t threads = 0;     ///< the pool's size
    std::uint64_t submitted = 0; ///< calls accepted since the start
    std::uint64_t completed = 0; ///< calls that have ended, with a value or an error
    std::uint64_t pending = 0;   ///< the difference: queued, running or suspended
};

} // namespace tandem
