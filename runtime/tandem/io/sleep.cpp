#include <tandem/io/executor.hpp>
#include <tandem/io/sleep.hpp>
#include <tandem/io/use_task.hpp>

#include <asio/steady_timer.hpp>

namespace tandem {

task<void> sleep_until(std::chrono::steady_clock::time_point t)
{
    asio::steady_timer timer(co_await this_task::executor(), t);
    auto wait = timer.async_wait(use_task);
    co_await std::move(wait);
}

} // namespace tandem
