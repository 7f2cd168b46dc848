#include "loopback.hpp"
#include "support/threads.hpp"

#include <tandem/io/co_spawn.hpp>
#include <tandem/io/sleep.hpp>
#include <tandem/io/use_task.hpp>
#include <tandem/tandem.hpp>

#include <asio/buffer.hpp>
#include <asio/read.hpp>
#include <asio/steady_timer.hpp>
#include <asio/write.hpp>

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>
#include <vector>

using namespace tandem;
using namespace tandem::test;
using namespace std::chrono_literals;

namespace {

/// Races one operation against a stop request from another thread, `rounds` times; says how often each won.
template <class Operation>
std::pair<int, int> race_against_stop(thread_pool& pool, int rounds, Operation operation)
{
    int completed = 0;
    int cancelled = 0;
    jitter when(7);
    for (int i = 0; i < rounds; ++i) {
        async_result<void> r = co_spawn(pool, [&operation, i]() -> task<void> { co_await operation(i); });
        when.spin(20'000);
        r.cancel();
        try {
            r.get();
            ++completed;
        }
        catch (const operation_cancelled&) {
            ++cancelled;
        }
    }
    return {completed, cancelled};
}

} // namespace

TEST_CASE("a stop request ends a sleep")
{
    thread_pool pool{2};
    auto r = co_spawn(pool, sleep_for(1h));
    CHECK_FALSE(r.wait_for(1ms));
    r.cancel();
    CHECK_THROWS_AS(r.get(), operation_cancelled);
}

TEST_CASE("a stop request that came before the operation ends it at once")
{
    thread_pool pool{2};
    auto r = co_spawn(pool, []() -> task<int> {
        environment& env = co_await this_task::current_environment();
        env.stop.request_stop();
        try {
            co_await sleep_for(1h);
        }
        catch (const operation_cancelled&) {
            co_return 1;
        }
        co_return 0;
    });
    CHECK(r.get() == 1);
}

TEST_CASE("an error of the operation's own is not taken for a cancellation")
{
    thread_pool pool{1}; // so that the timer is used by one thread at a time
    const auto cancelled_by_hand = [&]() -> task<void> {
        asio::steady_timer timer(pool.get_executor(), 1h);
        auto wait = [](asio::steady_timer& t) -> task<void> { co_await t.async_wait(use_task); };
        auto cancel = [](asio::steady_timer& t) -> task<void> {
            t.cancel();
            co_return;
        };
        co_await when_all(wait(timer), cancel(timer));
    };
    try {
        sync_wait(pool, cancelled_by_hand);
        FAIL("nothing was thrown");
    }
    catch (const asio::system_error& e) {
        CHECK(e.code() == asio::error::operation_aborted);
    }
}

TEST_CASE("the first error in when_all ends the siblings' operations")
{
    thread_pool pool{2};
    auto [a, b] = connected_pair(pool.get_executor());
    const auto read = [](tcp::socket& s) -> task<void> {
        std::array<char, 8> data{};
        co_await s.async_read_some(asio::buffer(data), use_task);
    };
    const auto fail = []() -> task<void> {
        co_await sleep_for(2ms);
        throw std::runtime_error("first");
    };
    CHECK_THROWS_WITH_AS(sync_wait(pool, when_all(read(a), read(b), sleep_for(1h), fail())), "first", std::runtime_error);
}

TEST_CASE("terminate ends everything that waits for I/O")
{
    thread_pool pool{2};
    auto [a, b] = connected_pair(pool.get_executor());
    std::vector<async_result<void>> all;
    for (int i = 0; i < 20; ++i)
        all.push_back(co_spawn(pool, sleep_for(1h)));
    all.push_back(co_spawn(pool, [](tcp::socket& s) -> task<void> {
        std::array<char, 8> data{};
        co_await asio::async_read(s, asio::buffer(data), use_task);
    }(a)));
    pool.terminate();
    pool.join();
    for (auto& r : all)
        CHECK_THROWS_AS(r.get(), operation_cancelled);
}

TEST_CASE("timers raced against stop requests on eight threads")
{
    thread_pool pool{8};
    const int rounds = scaled(20'000, 6'000, 4'000);
    const auto asio_timer = [&](int i) -> task<void> {
        asio::steady_timer timer(pool.context(), std::chrono::microseconds(i % 40));
        auto wait = timer.async_wait(use_task);
        co_await std::move(wait);
    };
    const auto a = race_against_stop(pool, rounds, asio_timer);
    CHECK(a.first + a.second == rounds);
    const auto b = race_against_stop(pool, rounds, [](int i) { return sleep_for(std::chrono::microseconds(i % 40)); });
    CHECK(b.first + b.second == rounds);
}

TEST_CASE("operations raced against limits of time on eight threads")
{
    thread_pool pool{8};
    const int rounds = scaled(20'000, 20'000, 20'000);
    std::atomic<int> done{0};
    const auto laps = [](asio::thread_pool& io, std::atomic<int>& count, int n) -> task<void> {
        auto pair = connected_pair(io.get_executor());
        const std::string data(100, 'x');
        std::string into(200, ' ');
        for (int k = 0; k < n; ++k) {
            // One byte is read at once; for the two hundred there is not enough, so the limit ends them, or just not.
            asio::write(pair.first, asio::buffer(data, 1));
            const std::size_t wanted = k % 2 ? 200 : 1;
            auto read = asio::async_read(pair.second, asio::buffer(into, wanted), use_task);
            auto limited = with_timeout(std::move(read), std::chrono::microseconds(k % 50));
            try {
                co_await std::move(limited);
            }
            catch (const timeout_error&) {
            }
            ++count;
        }
    };
    std::vector<async_result<void>> all;
    for (int k = 0; k < 8; ++k)
        all.push_back(co_spawn(pool, laps(pool.context(), done, rounds / 8)));
    for (auto& r : all)
        r.get();
    CHECK(done == rounds);
}

TEST_CASE("composed operations raced against stop requests on eight threads")
{
    thread_pool pool{8};
    const int rounds = scaled(20'000, 6'000, 4'000);
    auto pair = connected_pair(pool.get_executor());
    tcp::socket& a = pair.first;
    tcp::socket& b = pair.second;
    // A write in several parts, and a read that needs them all, both stopped at any moment; what is left over is read by the next.
    const auto exchange = [&](int) -> task<void> {
        static const std::string data(3000, 'x');
        std::string into(3000, ' ');
        auto both = when_all(asio::async_write(a, asio::buffer(data), use_task), asio::async_read(b, asio::buffer(into), use_task));
        co_await std::move(both);
    };
    // A cancelled round leaves bytes in the stream, so a later read may complete before its write: it still gets what it asked for.
    const auto [completed, cancelled] = race_against_stop(pool, rounds, exchange);
    CHECK(completed + cancelled == rounds);
}

TEST_CASE("a stop request raced against a stop request and the end")
{
    thread_pool pool{4};
    start_line line(3);
    const int rounds = scaled(2'000, 1'000, 600);
    std::atomic<async_result<void>*> current{nullptr};
    int ended = 0;
    on_threads(
        [&] {
            for (int i = 0; i < rounds; ++i) {
                async_result<void> r = co_spawn(pool, sleep_for(std::chrono::microseconds(i % 30)));
                current = &r;
                line.wait();
                try {
                    r.get();
                }
                catch (const operation_cancelled&) {
                }
                ++ended;
                line.wait();
            }
        },
        [&] {
            for (int i = 0; i < rounds; ++i) {
                line.wait();
                current.load()->cancel();
                line.wait();
            }
        },
        [&] {
            for (int i = 0; i < rounds; ++i) {
                line.wait();
                current.load()->cancel();
                line.wait();
            }
        });
    CHECK(ended == rounds);
}
