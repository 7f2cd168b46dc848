#pragma once

#include <tandem/base/deadline.hpp>
#include <tandem/task/task.hpp>

#include <chrono>

namespace tandem {

/// `co_await sleep_until(t)`, `co_await sleep_for(d)`: suspends the task, not a thread, until then; at once when that is past. Throws
/// operation_cancelled when the task is asked to stop. Cost: one timer of the task's executor.
[[nodiscard]] task<void> sleep_until(std::chrono::steady_clock::time_point t);

template <class Rep, class Period>
[[nodiscard]] task<void> sleep_for(std::chrono::duration<Rep, Period> d)
{
    // The clock starts when the sleep is made, as a caller who writes `auto nap = sleep_for(1s);` and awaits it at once expects.
    return sleep_until(deadline_after(d));
}

} // namespace tandem
