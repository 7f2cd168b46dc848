#pragma once

#include <tandem/task/task.hpp>

#include <asio/any_io_executor.hpp>

#include <concepts>
#include <coroutine>
#include <utility>
#include <vector>

namespace tandem {

namespace detail {

/// A list of signals, by value: GCC 12 miscompiles a std::initializer_list in a co_await expression.
class signal_list {
public:
    template <std::same_as<int>... More>
    signal_list(int first, More... more) : numbers_{first, more...} // NOLINT: implicit, so that braces do
    {
    }
    std::vector<int>::const_iterator begin() const noexcept { return numbers_.begin(); }
    std::vector<int>::const_iterator end() const noexcept { return numbers_.end(); }

private:
    std::vector<int> numbers_;
};

[[nodiscard]] std::coroutine_handle<task_promise<int>> wait_signal_here(signal_list signals);
[[nodiscard]] std::coroutine_handle<task_promise<int>> wait_signal_on(const asio::any_io_executor& ex, signal_list signals);

} // namespace detail

/// `co_await wait_signal({SIGINT, SIGTERM})`: waits for the first of these signals and gives its number. While it waits they do not
/// have their default effect; before and after they do, so a second Ctrl-C ends a program that takes its time to stop.
///
/// Errors: asio::system_error for what is no signal. Cancellation: throws operation_cancelled when the task is asked to stop.
[[nodiscard]] inline task<int> wait_signal(detail::signal_list signals)
{
    return detail::task_access::adopt(detail::wait_signal_here(std::move(signals)));
}

/// The same on a given executor or context, or a pool, of which the signals are taken from the call on: one that comes before the await
/// is not lost.
[[nodiscard]] inline task<int> wait_signal(const asio::any_io_executor& ex, detail::signal_list signals)
{
    return detail::task_access::adopt(detail::wait_signal_on(ex, std::move(signals)));
}
template <class Context>
    requires requires(Context& c) { asio::any_io_executor(c.get_executor()); }
[[nodiscard]] task<int> wait_signal(Context& ctx, detail::signal_list signals)
{
    return wait_signal(asio::any_io_executor(ctx.get_executor()), std::move(signals));
}

} // namespace tandem
