#include "support.hpp"

#include <tandem/io/awaitable.hpp>
#include <tandem/io/co_spawn.hpp>
#include <tandem/io/sleep.hpp>
#include <tandem/tandem.hpp>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/use_future.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <stdexcept>
#include <string>
#include <tuple>

using namespace tandem;
using namespace tandem::test;
using namespace std::chrono_literals;

namespace {

asio::awaitable<void> asio_sleep(std::chrono::milliseconds d)
{
    asio::steady_timer timer(co_await asio::this_coro::executor, d);
    co_await timer.async_wait(asio::use_awaitable);
}

asio::awaitable<std::string> asio_text(std::string s)
{
    co_await asio_sleep(1ms);
    co_return s + "!";
}

asio::awaitable<int> asio_failing()
{
    co_await asio_sleep(1ms);
    throw std::out_of_range("far");
}

} // namespace

TEST_CASE("a task awaits an asio::awaitable")
{
    thread_pool pool{2};
    const auto job = []() -> task<std::string> {
        co_await asio_sleep(1ms);
        co_return co_await asio_text("hello");
    };
    CHECK(sync_wait(pool, job) == "hello!");
    CHECK(sync_wait(job()) == "hello!");
    asio::io_context io;
    auto r = tandem::co_spawn(io, job);
    io.run();
    CHECK(r.get() == "hello!");

    const auto bad = []() -> task<int> { co_return co_await asio_failing(); };
    CHECK_THROWS_WITH_AS(sync_wait(pool, bad), "far", std::out_of_range);
}

TEST_CASE("an asio::awaitable counts as a task in combinators")
{
    thread_pool pool{2};
    const auto both = sync_wait(pool, when_all(asio_text("a"), number_later(1)));
    CHECK(both == std::tuple(std::string("a!"), 1));
}

TEST_CASE("a stop request ends an asio::awaitable")
{
    thread_pool pool{2};
    for (int i = 0; i < 200; ++i) {
        auto r = tandem::co_spawn(pool, []() -> task<void> { co_await asio_sleep(1h); });
        if (i % 2)
            static_cast<void>(r.wait_for(100us));
        r.cancel();
        CHECK_THROWS(r.get());
    }
}

TEST_CASE("an asio::awaitable awaits a task")
{
    thread_pool pool{2};
    asio::io_context io;
    const auto job = [&]() -> asio::awaitable<int> {
        const int a = co_await tandem::co_spawn(pool, number_later(1), asio::use_awaitable);
        const int b = co_await pool.apply_async([](int n) { return 2 * n; }, args(4), asio::use_awaitable);
        try {
            co_await tandem::co_spawn(pool, failing_later(), asio::use_awaitable);
        }
        catch (const std::out_of_range&) {
            co_return a + b;
        }
        co_return -1;
    };
    auto f = asio::co_spawn(io, job, asio::use_future);
    io.run();
    CHECK(f.get() == 9);
}
