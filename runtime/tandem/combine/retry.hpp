#pragma once

#include <tandem/sync/sleep.hpp>
#include <tandem/task/awaitable.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <type_traits>
#include <utility>

namespace tandem {

/// How often, and after what pauses, `retry` tries again. `multiplier = 1` makes the pauses equal.
struct retry_policy {
    std::size_t max_attempts = 3;                       ///< in all; 1 and more
    std::chrono::nanoseconds delay{100'000'000};        ///< before the second attempt
    double multiplier = 2;                              ///< of the delay, from one pause to the next; 1 and more
    std::chrono::nanoseconds max_delay{30'000'000'000}; ///< no pause is longer
    double jitter = 0.2;                                ///< each pause is longer or shorter by up to this share, at random; 0 to 1
    std::chrono::nanoseconds max_elapsed{0}; ///< no pause ends later than this after the first attempt began; 0: no limit
    std::function<bool(std::exception_ptr)> retry_if{}; ///< whether an error is worth another attempt; empty: all are
};

namespace detail {

/// The pauses of one `retry`; checks the policy, and throws std::invalid_argument with the option's name and value.
class backoff {
public:
    explicit backoff(retry_policy p);
    /// The pause before the next attempt; rethrows `error` when there is to be none.
    std::chrono::nanoseconds after(const std::exception_ptr& error, const environment& env);
    void begin(const environment& env) noexcept { start_ns_ = env.ctx->now_ns(); }

private:
    retry_policy policy_;
    std::size_t attempts_ = 0;
    double delay_ns_;
    std::int64_t start_ns_ = 0;
};

template <class T, class F>
task<T> retry_loop(backoff pauses, F f)
{
    environment& env = co_await this_task::current_environment();
    pauses.begin(env);
    for (;;) {
        std::exception_ptr error;
        try {
            co_return co_await f();
        }
        catch (...) {
            error = std::current_exception();
        }
        const std::chrono::nanoseconds pause = pauses.after(error, env);
        error = nullptr; // not kept while it sleeps
        co_await sleep_for(pause);
    }
}

} // namespace detail

/// Awaits `f()`, a new awaitable each time, until it ends without an error, and gives its value. When the policy allows no further attempt
/// what the last one threw is rethrown. An operation_cancelled is not retried when the task was asked to stop, and the pauses can
/// be cancelled. Throws std::invalid_argument for a policy out of range, naming the option.
///
///     auto page = co_await tandem::retry({.max_attempts = 5}, [&] { return fetch(url); });
template <class F>
    requires(std::invocable<F&> && awaitable<std::invoke_result_t<F&>>)
[[nodiscard("co_await it, or co_spawn it")]] auto retry(retry_policy policy, F f)
{
    using T = typename task_for<std::invoke_result_t<F&>>::value_type;
    return detail::retry_loop<T>(detail::backoff(std::move(policy)), std::move(f));
}

} // namespace tandem
