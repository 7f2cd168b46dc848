// A process pool and the rest: Asio's completion tokens, coroutines on a thread pool, signals.
#include "support.hpp"

#include <tandem/io/completion_token.hpp>
#include <tandem/io/sleep.hpp>
#include <tandem/pool/co_spawn.hpp>
#include <tandem/process/process_pool.hpp>

#include <asio/use_future.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <csignal>
#include <future>
#include <stdexcept>
#include <string>
#include <unistd.h>

using namespace tandem;
using namespace tandem::test;
using namespace std::chrono_literals;

namespace {

int refuses(int n) { throw std::out_of_range("no " + std::to_string(n)); }

} // namespace

TEST_CASE("completion tokens")
{
    process_pool pool{2};
    std::future<int> f = pool.apply_async(square, args(3), asio::use_future);
    CHECK(f.get() == 9);
    std::future<int> g = pool.apply_async(refuses, args(3), asio::use_future);
    CHECK_THROWS_WITH_AS(g.get(), "no 3", std::out_of_range);
    std::future<int> h = pool.apply_async([](int n) -> int { ::_exit(n); }, args(3), asio::use_future);
    CHECK_THROWS_AS(h.get(), worker_died);
}

TEST_CASE("a coroutine on a thread pool awaits workers beside its timers")
{
    thread_pool threads{2};
    process_pool procs{2};
    const auto work = [&procs](int n) -> task<int> {
        co_await sleep_for(1ms);
        auto call = procs.apply_async(square, args(n));
        co_return co_await call + 1;
    };
    CHECK(threads.map(work, std::vector{1, 2, 3}) == std::vector{2, 5, 10});
}

TEST_CASE("a call is cancelled through the coroutine that awaits it")
{
    thread_pool threads{1};
    process_pool procs{1};
    async_result<void> blocker = procs.apply_async([] {
        for (;;)
            ::pause();
    });
    auto waiting = co_spawn(threads, [&procs]() -> task<int> { co_return co_await procs.apply_async(square, args(1)); });
    while (procs.stats().submitted < 2)
        std::this_thread::yield();
    waiting.cancel();
    CHECK_THROWS_AS(waiting.get(), operation_cancelled);
    test::kill_until_ended(procs, blocker);
    CHECK_THROWS_AS(blocker.get(), worker_died);
}

TEST_CASE("workers of a pool of the global's state at the server's start")
{
    static int global = 1;
    process_pool pool{1};
    global = 2;
    CHECK(pool.apply([] { return global; }) == 1);
    pool.apply([] { global = 5; });
    CHECK(pool.apply([] { return global; }) == 5); // this worker's own
    CHECK(global == 2);
}
