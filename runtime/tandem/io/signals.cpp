#include <tandem/io/executor.hpp>
#include <tandem/io/signals.hpp>
#include <tandem/io/use_task.hpp>

#include <asio/signal_set.hpp>

namespace tandem {

task<int> wait_signal(detail::signal_list signals)
{
    asio::signal_set set(co_await this_task::executor());
    for (const int number : signals)
        set.add(number);
    auto wait = set.async_wait(use_task);
    co_return co_await std::move(wait);
}

} // namespace tandem
