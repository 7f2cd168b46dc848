// async_result over threads and coroutines: waiting, awaiting, cancelling.
#include "support.hpp"

#include <tandem/combine/when_all.hpp>
#include <tandem/io/sleep.hpp>
#include <tandem/pool/co_spawn.hpp>
#include <tandem/pool/thread_pool.hpp>
#include <tandem/sync/one_shot_event.hpp>
#include <tandem/task/sync_wait.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using namespace tandem;
using namespace std::chrono_literals;

static_assert(!std::is_copy_constructible_v<async_result<int>>);
static_assert(std::is_nothrow_move_constructible_v<async_result<int>>);
static_assert(std::is_nothrow_move_assignable_v<async_result<std::string>>);
static_assert(std::is_nothrow_default_constructible_v<async_result<void>>);
static_assert(awaitable<async_result<int>>);

namespace {

/// A coroutine that sleeps for so long that only cancelling ends it.
struct sleeper {
    std::atomic<bool> asleep{false};
    std::atomic<bool> woken{false};

    task<int> run()
    {
        asleep = true;
        try {
            co_await sleep_for(24h);
        }
        catch (...) {
            woken = true;
            throw;
        }
        co_return 1;
    }
};

} // namespace

TEST_CASE("cancel wakes a sleeping coroutine")
{
    sleeper s;
    thread_pool pool{1};
    async_result<int> r = pool.apply_async(&sleeper::run, args(&s));
    test::wait_until(s.asleep);
    CHECK_FALSE(r.ready());
    r.cancel();
    CHECK_THROWS_AS(r.get(), operation_cancelled);
    CHECK(s.woken);
    r.cancel(); // again, and too late: nothing
}

TEST_CASE("cancel may come at any moment")
{
    thread_pool pool{2};
    for (int i = 0; i < 200; ++i) {
        async_result<int> r = pool.apply_async([]() -> task<int> {
            co_await sleep_for(24h);
            co_return 1;
        });
        for (int k = 0; k < i; ++k)
            std::this_thread::yield();
        r.cancel();
        REQUIRE_THROWS_AS(r.get(), operation_cancelled);
    }
}

TEST_CASE("cancel from another thread while one waits")
{
    sleeper s;
    thread_pool pool{1};
    async_result<int> r = pool.apply_async(&sleeper::run, args(&s));
    std::thread canceller([&] {
        test::wait_until(s.asleep);
        r.cancel();
    });
    CHECK_THROWS_AS(r.get(), operation_cancelled);
    canceller.join();
}

TEST_CASE("a function that runs already is not stopped, and one that has ended is not changed")
{
    test::gate begun;
    test::gate gate;
    thread_pool pool{1};
    async_result<int> r = pool.apply_async([&] {
        begun.open();
        gate.pass();
        return 5;
    });
    begun.pass();
    r.cancel();
    gate.open();
    r.wait();
    r.cancel();
    CHECK(r.successful());
    CHECK(r.get() == 5);
}

TEST_CASE("a coroutine that was cancelled may end in its own way")
{
    std::atomic<bool> asleep{false};
    thread_pool pool{1};
    async_result<std::string> r = pool.apply_async([&]() -> task<std::string> {
        bool stopped = false;
        try {
            asleep = true;
            co_await sleep_for(24h);
        }
        catch (const operation_cancelled&) {
            stopped = true;
        }
        co_return stopped ? "tidied up" : "slept";
    });
    test::wait_until(asleep);
    r.cancel();
    CHECK(r.get() == "tidied up");
}

TEST_CASE("a coroutine may ask for its token instead of waiting")
{
    std::atomic<bool> polling{false};
    thread_pool pool{1};
    async_result<int> r = pool.apply_async([&]() -> task<int> {
        const stop_token stop = co_await this_task::stop_token();
        int rounds = 0;
        while (!stop.stop_requested()) {
            polling = true;
            ++rounds;
            std::this_thread::yield();
        }
        co_return rounds;
    });
    test::wait_until(polling);
    r.cancel();
    CHECK(r.get() > 0);
}

TEST_CASE("a handle is awaited in a coroutine on another pool, which resumes where it was")
{
    thread_pool a{1};
    thread_pool b{1};
    const auto await = [](thread_pool& other) -> task<bool> {
        const std::thread::id here = std::this_thread::get_id();
        const std::thread::id there = co_await other.apply_async([] { return std::this_thread::get_id(); });
        co_return here != there&& here == std::this_thread::get_id();
    };
    CHECK(a.apply(await, std::ref(b)));
}

TEST_CASE("a handle is awaited once, and rethrows as get does")
{
    thread_pool pool{1};
    const auto twice = [](async_result<int>& r) -> task<int> {
        const int n = co_await r;
        CHECK(r.ready());
        CHECK_THROWS_AS(r.get(), std::logic_error);
        co_return n + co_await r;
    };
    async_result<int> r = pool.apply_async([] { return 1; });
    CHECK_THROWS_WITH_AS(sync_wait(twice(r)), "async_result: the value was taken already", std::logic_error);

    const auto catches = [](thread_pool& p) -> task<std::string> {
        try {
            co_await p.apply_async([] { throw std::out_of_range("far"); });
        }
        catch (const std::out_of_range& e) {
            co_return e.what();
        }
        co_return "nothing";
    };
    CHECK(sync_wait(catches(pool)) == "far");
}

TEST_CASE("handles of references and of void are awaited")
{
    thread_pool pool{1};
    int n = 1;
    const auto await = [&]() -> task<bool> {
        int& r = co_await pool.apply_async([&]() -> int& { return n; });
        co_await pool.apply_async([&] { n = 2; });
        co_return &r == &n&& r == 2;
    };
    CHECK(sync_wait(await()));
}

TEST_CASE("stopping a coroutine that awaits a handle")
{
    // The inner call sleeps; the outer coroutine waits for it and is cancelled.
    sleeper s;
    thread_pool pool{2};
    SUBCASE("a temporary: the call is cancelled with it")
    {
        async_result<int> outer = pool.apply_async([&]() -> task<int> {
            async_result<int> inner = pool.apply_async(&sleeper::run, args(&s));
            co_return co_await std::move(inner);
        });
        test::wait_until(s.asleep);
        outer.cancel();
        CHECK_THROWS_AS(outer.get(), operation_cancelled);
        pool.close();
        pool.join(); // would wait for 24 hours
        CHECK(s.woken);
    }
    SUBCASE("a variable: the call goes on, and the handle stays good")
    {
        async_result<int> inner = pool.apply_async(&sleeper::run, args(&s));
        async_result<int> outer = pool.apply_async([&]() -> task<int> { co_return co_await inner; });
        test::wait_until(s.asleep);
        outer.cancel();
        CHECK_THROWS_AS(outer.get(), operation_cancelled);
        CHECK_FALSE(inner.ready());
        CHECK_FALSE(s.woken);
        inner.cancel();
        CHECK_THROWS_AS(inner.get(), operation_cancelled);
    }
}

TEST_CASE("a coroutine that is stopped already does not wait, unless the handle is ready")
{
    test::gate gate;
    thread_pool pool{2};
    async_result<int> held = pool.apply_async([&] {
        gate.pass();
        return 1;
    });
    async_result<int> done = pool.apply_async([] { return 2; });
    done.wait();
    stop_source stop;
    stop.request_stop();
    const auto await = [](async_result<int>& r) -> task<int> { co_return co_await r; };
    CHECK_THROWS_AS(sync_wait(await(held), stop.get_token()), operation_cancelled);
    CHECK(sync_wait(await(done), stop.get_token()) == 2);
    gate.open();
    CHECK(held.get() == 1); // as if nobody had awaited it
}

TEST_CASE("awaiting and stopping race")
{
    thread_pool pool{2};
    int cancelled = 0;
    for (int i = 0; i < 500; ++i) {
        async_result<int> outer =
            pool.apply_async([&pool]() -> task<int> { co_return co_await pool.apply_async([] { return 3; }); });
        for (int k = 0; k < i % 7; ++k)
            std::this_thread::yield();
        outer.cancel();
        try {
            REQUIRE(outer.get() == 3);
        }
        catch (const operation_cancelled&) {
            ++cancelled;
        }
    }
    CHECK(cancelled <= 500);
}

TEST_CASE("get on a worker runs the call that was queued last, in place")
{
    thread_pool pool{1};
    CHECK(pool.apply([&] {
        async_result<std::thread::id> r = pool.apply_async([] { return std::this_thread::get_id(); });
        return r.get() == std::this_thread::get_id();
    }));
}

TEST_CASE("a handle may be handed to another thread, and dropped there")
{
    thread_pool pool{2};
    std::vector<std::thread> threads;
    std::atomic<int> sum{0};
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&sum, r = pool.apply_async([i] { return i; })]() mutable { sum += r.get(); });
    for (std::thread& t : threads)
        t.join();
    CHECK(sum == 6);
}

TEST_CASE("the value is destroyed with the handle, also after the pool")
{
    test::tally count;
    {
        async_result<test::tracked> r;
        {
            thread_pool pool{1};
            r = pool.apply_async([&] { return test::tracked(count, 3); });
        }
        CHECK(count.alive == 1);
        CHECK(r.get().value == 3);
    }
    CHECK(count.alive == 0);
}

TEST_CASE("a handle moved into a callback of its own call")
{
    // A shared handle that the callback also holds must not be a cycle.
    const auto watched = std::make_shared<int>(1);
    {
        test::gate stored;
        thread_pool pool{1};
        const auto handle = std::make_shared<async_result<int>>();
        *handle = pool.apply_async(
            [&stored] {
                stored.pass();
                return 1;
            },
            {}, [handle, watched](int) {});
        stored.open();
    }
    CHECK(watched.use_count() == 1);
}
