#include "as_tuple.hpp"
#include "support/threads.hpp"

#include <tandem/combine/when_all.hpp>
#include <tandem/combine/with_timeout.hpp>
#include <tandem/io/use_task.hpp>
#include <tandem/pool/co_spawn.hpp>
#include <tandem/task/sync_wait.hpp>

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/thread_pool.hpp>
#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>

using namespace tandem;
using namespace tandem::test;
using namespace std::chrono_literals;
using asio::ip::tcp;
using addresses = tcp::resolver::results_type;

namespace {

/// A lookup that ends when it is told to, as one whose server does not answer.
struct stuck_server {
    template <class Token>
    auto lookup(Token&& token)
    {
        return asio::async_initiate<Token, void(asio::error_code, addresses)>(
            [this](auto handler) {
                // A std::function must be copyable.
                auto kept = std::make_shared<decltype(handler)>(std::move(handler));
                answer = [kept] { std::move (*kept)(asio::error_code(), addresses()); };
                begun = true;
            },
            token);
    }
    std::function<void()> answer; // once it has begun
    std::atomic<bool> begun{false};
};

task<> looks_up(stuck_server& s)
{
    auto lookup = s.lookup(use_task);
    co_await std::move(lookup);
}

task<asio::error_code> looks_up_for_a_code(stuck_server& s)
{
    auto lookup = s.lookup(as_tuple(use_task));
    const auto [code, found] = co_await std::move(lookup);
    CHECK(found.empty());
    co_return code;
}

task<addresses> resolve(asio::thread_pool& io, std::string host)
{
    tcp::resolver resolver(io);
    auto lookup = resolver.async_resolve(host, "80", tcp::resolver::numeric_host, use_task);
    co_return co_await std::move(lookup);
}

} // namespace

TEST_CASE("a lookup gives addresses, or throws")
{
    thread_pool pool{2};
    const addresses found = sync_wait(pool, resolve(pool.context(), "127.0.0.1"));
    REQUIRE(found.size() == 1);
    CHECK(found.begin()->endpoint() == tcp::endpoint(asio::ip::address_v4::loopback(), 80));
    CHECK_THROWS_AS(sync_wait(pool, resolve(pool.context(), "no address")), asio::system_error);
}

TEST_CASE("a lookup that does not end is left behind by a stop request, and harms nothing when it ends after all")
{
    thread_pool pool{2};
    stuck_server server;
    CHECK_THROWS_AS(sync_wait(pool, with_timeout(looks_up(server), 1ms)), timeout_error);
    server.answer();
    CHECK_THROWS_AS(sync_wait(pool, with_timeout(looks_up(server), 1ms)), timeout_error);
    server.answer = nullptr; // or is thrown away

    server.begun = false;
    auto for_a_code = co_spawn(pool, looks_up_for_a_code(server));
    CHECK(eventually([&] { return server.begun.load(); }));
    for_a_code.cancel();
    CHECK(for_a_code.get() == asio::error::operation_aborted);

    stop_source stop;
    stop.request_stop();
    CHECK_THROWS_AS(sync_wait(looks_up(server), stop.get_token()), operation_cancelled);
}

TEST_CASE("a lookup whose execution context ends is cancelled")
{
    thread_pool pool{2};
    stuck_server server;
    auto r = co_spawn(pool, looks_up(server));
    CHECK_FALSE(r.wait_for(1ms));
    CHECK(eventually([&] { return server.begun.load(); }));
    server.answer = nullptr;
    CHECK_THROWS_AS(r.get(), operation_cancelled);
}

TEST_CASE("lookups raced against stop requests")
{
    thread_pool pool{4};
    jitter when(11);
    int found = 0;
    int stopped = 0;
    const int rounds = scaled(5'000, 2'000, 1'000);
    for (int k = 0; k < rounds; ++k) {
        auto r = co_spawn(pool, resolve(pool.context(), "127.0.0.1"));
        when.spin(20'000);
        r.cancel();
        try {
            r.get();
            ++found;
        }
        catch (const operation_cancelled&) {
            ++stopped;
        }
    }
    CHECK(found + stopped == rounds);
}
