// co_spawn, sync_wait and run over a thread_pool.
#include "support.hpp"

#include <tandem/combine/when_all.hpp>
#include <tandem/io/sleep.hpp>
#include <tandem/pool/co_spawn.hpp>
#include <tandem/pool/thread_pool.hpp>
#include <tandem/task/sync_wait.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace tandem;
using namespace std::chrono_literals;

namespace {

task<int> answer() { co_return 42; }
task<std::string> later(std::string s)
{
    co_await sleep_for(1ms);
    co_return s;
}
task<void> fails(const char* text)
{
    throw std::out_of_range(text);
    co_return;
}

} // namespace

TEST_CASE("a task, a combinator, or a function that gives a task is spawned on a pool")
{
    thread_pool pool{2};
    CHECK(co_spawn(pool, answer()).get() == 42);
    CHECK(co_spawn(pool, answer).get() == 42);
    CHECK(co_spawn(pool, [] { return later("x"); }).get() == "x");
    const auto [a, b] = co_spawn(pool, when_all(answer(), later("y"))).get();
    CHECK(a == 42);
    CHECK(b == "y");
    CHECK(co_spawn(pool, pool.apply_async([] { return 7; })).get() == 7);
    CHECK_THROWS_WITH_AS(co_spawn(pool, fails("far")).get(), "far", std::out_of_range);
}

TEST_CASE("a spawned lambda lives as long as its coroutine")
{
    thread_pool pool{1};
    const std::string captured(100, 'x');
    async_result<std::size_t> r = co_spawn(pool, [captured]() -> task<std::size_t> {
        co_await sleep_for(1ms);
        co_return captured.size();
    });
    CHECK(r.get() == 100);
}

TEST_CASE("a dropped task runs to its end, which the pool waits for")
{
    std::atomic<int> ended{0};
    {
        thread_pool pool{2};
        for (int i = 0; i < 20; ++i)
            static_cast<void>(co_spawn(pool, [&]() -> task<void> {
                co_await sleep_for(1ms);
                ++ended;
            }));
    }
    CHECK(ended == 20);
}

TEST_CASE("a spawned task is cancelled through its handle")
{
    thread_pool pool{1};
    async_result<void> r = co_spawn(pool, []() -> task<void> { co_await sleep_for(24h); });
    r.cancel();
    CHECK_THROWS_AS(r.get(), operation_cancelled);
}

TEST_CASE("a closed pool takes no task")
{
    thread_pool pool(thread_pool_options{.threads = 1, .name = "cpu"});
    pool.close();
    const auto watched = std::make_shared<int>(1);
    const auto holds = [](std::shared_ptr<int>) -> task<void> { co_return; };
    CHECK_THROWS_WITH_AS(co_spawn(pool, holds(watched)), "co_spawn: the pool 'cpu' is closed", pool_closed);
    CHECK_THROWS_WITH_AS(sync_wait(pool, holds(watched)), "sync_wait: the pool 'cpu' is closed", pool_closed);
    CHECK(watched.use_count() == 1);
}

TEST_CASE("sync_wait runs a task on the pool, and plain sync_wait on this thread")
{
    thread_pool pool{1};
    const auto id = []() -> task<std::thread::id> { co_return std::this_thread::get_id(); };
    CHECK(sync_wait(pool, id()) != std::this_thread::get_id());
    CHECK(sync_wait(id()) == std::this_thread::get_id());
    CHECK(sync_wait(pool, answer) == 42);
    CHECK_THROWS_WITH_AS(sync_wait(pool, fails("near")), "near", std::out_of_range);
    CHECK(pool.apply([&] { return sync_wait(pool, later("nested")); }) == "nested");
    int n = 0;
    static_assert(std::is_same_v<decltype(sync_wait(pool, [&]() -> task<int&> { co_return n; })), int&>);
    CHECK(&sync_wait(pool, [&]() -> task<int&> { co_return n; }) == &n);
}

TEST_CASE("run makes a pool for the main task, and waits for all that it leaves behind")
{
    CHECK(run(answer()) == 42);
    CHECK(run(answer, {.threads = 1}) == 42);
    std::atomic<int> ended{0};
    const int threads = run(
        [&](thread_pool& pool) -> task<int> {
            static_cast<void>(co_spawn(pool, [&]() -> task<void> {
                co_await sleep_for(1ms);
                ++ended;
            }));
            co_return static_cast<int>(pool.size());
        },
        {.threads = 3});
    CHECK(threads == 3);
    CHECK(ended == 1);
    run([]() -> task<void> { co_return; });
    CHECK_THROWS_WITH_AS(run(fails("main")), "main", std::out_of_range);
}
