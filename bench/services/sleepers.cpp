#include "cases.hpp"

#include <tandem/combine/when_all.hpp>
#include <tandem/pool/co_spawn.hpp>
#include <tandem/sync/sleep.hpp>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/steady_timer.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_awaitable.hpp>
#include <fmt/core.h>

#include <chrono>
#include <ctime>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <vector>

#include <unistd.h>

namespace services {

namespace {

using clock = std::chrono::steady_clock;
constexpr std::size_t threads = 2;

double bytes_in_use()
{
    std::ifstream f("/proc/self/statm");
    double all = 0;
    double resident = 0;
    f >> all >> resident;
    return resident * static_cast<double>(sysconf(_SC_PAGESIZE));
}

double cpu_ns()
{
    timespec t{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}

/// When the k-th wakes: spread over a second, in no order, once all have begun.
clock::time_point wake_time(clock::time_point first, std::size_t k)
{
    return first + std::chrono::microseconds(k * 7919 % 1'000'000);
}

struct meter {
    void started()
    {
        seconds_to_start = std::chrono::duration<double>(clock::now() - begin).count();
        bytes = bytes_in_use() - bytes_before;
    }
    void print(std::size_t count) const
    {
        fmt::print("{:.1f} {:.3f} {:.0f}\n", bytes / static_cast<double>(count), seconds_to_start,
            (cpu_ns() - cpu_before) / static_cast<double>(count));
    }
    double bytes_before = bytes_in_use();
    double cpu_before = cpu_ns();
    clock::time_point begin = clock::now();
    double seconds_to_start = 0;
    double bytes = 0;
};

tandem::task<> sleeper(clock::time_point until) { co_await tandem::sleep_until(until); }

tandem::task<> says_when(meter& m, clock::time_point first)
{
    co_await tandem::sleep_until(first - std::chrono::milliseconds(50));
    m.started();
}

tandem::task<> tandem_sleepers(meter& m, clock::time_point first, std::size_t count)
{
    std::vector<tandem::task<>> all;
    all.reserve(count + 1);
    for (std::size_t k = 0; k < count; ++k)
        all.push_back(sleeper(wake_time(first, k)));
    all.push_back(says_when(m, first));
    co_await tandem::when_all(std::move(all));
}

asio::awaitable<void> asio_sleeper(clock::time_point until)
{
    asio::steady_timer t(co_await asio::this_coro::executor, until);
    co_await t.async_wait(asio::use_awaitable);
}

} // namespace

void sleepers(const std::string& who, std::size_t count)
{
    const auto first = clock::now() + std::chrono::seconds(3);
    if (who == "tandem") {
        tandem::thread_pool pool(threads);
        meter m;
        tandem::sync_wait(pool, tandem_sleepers(m, first, count));
        m.print(count);
        return;
    }
    asio::thread_pool pool(threads);
    std::vector<std::unique_ptr<asio::steady_timer>> timers;
    meter m;
    if (who == "asio_awaitable")
        for (std::size_t k = 0; k < count; ++k)
            asio::co_spawn(pool, asio_sleeper(wake_time(first, k)), asio::detached);
    else if (who == "asio_callbacks")
        for (std::size_t k = 0; k < count; ++k) {
            auto t = std::make_unique<asio::steady_timer>(pool, wake_time(first, k));
            t->async_wait([](const asio::error_code&) {});
            timers.push_back(std::move(t));
        }
    else
        throw std::invalid_argument("nobody sleeps as " + who);
    asio::steady_timer almost(pool, first - std::chrono::milliseconds(50));
    almost.async_wait([&](const asio::error_code&) { m.started(); });
    pool.wait();
    m.print(count);
}

} // namespace services
