#include <tandem/io/executor.hpp>
#include <tandem/io/signals.hpp>
#include <tandem/io/use_task.hpp>

#include <asio/signal_set.hpp>

#include <memory>
#include <utility>

namespace tandem {

namespace {

std::unique_ptr<asio::signal_set> make_set(const asio::any_io_executor& ex, const detail::signal_list& signals)
{
    auto set = std::make_unique<asio::signal_set>(ex); // it cannot be moved
    for (const int number : signals)
        set->add(number);
    return set;
}

task<int> wait_for(std::unique_ptr<asio::signal_set> taken)
{
    // A local goes when the wait is over, and the signals have their default effect again; a parameter stays as long as the task object.
    const std::unique_ptr<asio::signal_set> set = std::move(taken);
    auto wait = set->async_wait(use_task);
    co_return co_await std::move(wait);
}

task<int> wait_here(detail::signal_list signals)
{
    const asio::any_io_executor ex = co_await this_task::executor();
    auto set = make_set(ex, signals);
    co_return co_await wait_for(std::move(set));
}

} // namespace

std::coroutine_handle<detail::task_promise<int>> detail::wait_signal_here(signal_list signals)
{
    return task_access::release(wait_here(std::move(signals)));
}

std::coroutine_handle<detail::task_promise<int>> detail::wait_signal_on(const asio::any_io_executor& ex, signal_list signals)
{
    return task_access::release(wait_for(make_set(ex, signals)));
}

} // namespace tandem
