// close, join and terminate, seen from outside, from inside, and from both at once.
#include "support.hpp"

#include <tandem/io/executor.hpp>
#include <tandem/io/sleep.hpp>
#include <tandem/pool/thread_pool.hpp>

#include <asio/post.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

using namespace tandem;
using namespace std::chrono_literals;

TEST_CASE("join on a thread of the pool would wait for itself")
{
    thread_pool pool(thread_pool_options{.threads = 2, .name = "cpu"});
    async_result<void> r = pool.apply_async([&] {
        pool.close();
        pool.join();
    });
    CHECK_THROWS_WITH_AS(r.get(), "join: called on a thread of the pool 'cpu', which would wait for itself", would_deadlock);
}

TEST_CASE("join inside a map would wait for itself too, also where the calling thread helps")
{
    thread_pool pool{2};
    CHECK_THROWS_AS(pool.map(
                        [&](int) {
                            pool.close();
                            pool.join();
                        },
                        std::vector<int>(100)),
        would_deadlock);
}

TEST_CASE("several threads may join at once")
{
    std::atomic<int> ended{0};
    thread_pool pool{2};
    for (int i = 0; i < 100; ++i)
        static_cast<void>(pool.apply_async([&] { ++ended; }));
    pool.close();
    std::vector<std::thread> joiners;
    for (int i = 0; i < 4; ++i)
        joiners.emplace_back([&] {
            pool.join();
            if (ended != 100)
                ended = -1000;
        });
    for (std::thread& t : joiners)
        t.join();
    CHECK(ended == 100);
}

TEST_CASE("what runs in a closed pool may still submit, so that it can finish")
{
    test::gate gate;
    std::atomic<int> calls{0};
    int from_callback = 0;
    async_result<int> sum;
    {
        thread_pool pool{2};
        sum = pool.apply_async(
            [&] {
                gate.pass();
                int n = pool.apply([] { return 1; });
                n += pool.apply_async([] { return 2; }).get();
                for (const int i : pool.map([](int v) { return v; }, std::vector{3, 4}))
                    n += i;
                for (const int i : pool.imap([](int v) { return v; }, std::vector{5, 6}))
                    n += i;
                static_cast<void>(pool.apply_async([&] { ++calls; }));
                return n;
            },
            {}, [&](int) { from_callback = pool.apply_async([] { return 7; }).get(); });
        pool.close();
        CHECK_THROWS_AS(pool.apply([] {}), pool_closed);
        gate.open();
    }
    CHECK(sum.get() == 21);
    CHECK(calls == 1);
    CHECK(from_callback == 7);
}

TEST_CASE("so may the items of a map, whichever thread they run on")
{
    test::gate begun;
    test::gate closed;
    thread_pool pool{2};
    std::atomic<int> refused{0};
    std::thread closer([&] {
        begun.pass();
        pool.close();
        closed.open();
    });
    const std::vector<int> r = pool.map(
        [&](int n) {
            begun.open();
            closed.pass();
            try {
                return pool.apply([n] { return n; }) + pool.apply_async([n] { return n; }).get();
            }
            catch (const pool_closed&) {
                ++refused;
                return 0;
            }
        },
        std::vector{1, 2, 3, 4}, {.chunk = 1});
    closer.join();
    CHECK(refused == 0);
    CHECK(r == std::vector{2, 4, 6, 8});
}

TEST_CASE("a terminated pool takes nothing, not even from inside")
{
    test::gate gate;
    async_result<void> r;
    {
        thread_pool pool{1};
        r = pool.apply_async([&] {
            gate.pass();
            pool.apply([] {});
        });
        static_cast<void>(r.wait_for(0s));
        pool.terminate();
        gate.open();
    }
    try {
        r.get();
        FAIL("nothing was thrown");
    }
    catch (const error& e) { // before it began, or in it
        CHECK((e.code() == errc::pool_closed || e.code() == errc::operation_cancelled));
    }
}

TEST_CASE("terminate wakes sleeping coroutines")
{
    std::atomic<bool> asleep{false};
    async_result<int> r;
    {
        thread_pool pool{1};
        r = pool.apply_async([&]() -> task<int> {
            asleep = true;
            co_await sleep_for(1h);
            co_return 1;
        });
        test::wait_until(asleep);
        pool.terminate();
    }
    CHECK_THROWS_AS(r.get(), operation_cancelled);
}

TEST_CASE("terminate ends a map that is under way, once the items that run have ended")
{
    std::atomic<int> begun{0};
    test::gate gate;
    thread_pool pool{2};
    async_result<std::vector<int>> mapped = pool.map_async(
        [&](int n) {
            ++begun;
            gate.pass();
            return n;
        },
        std::vector<int>(1000), {.chunk = 1});
    while (begun == 0)
        std::this_thread::yield();
    pool.terminate();
    gate.open();
    CHECK_THROWS_AS(mapped.get(), operation_cancelled);
    CHECK(begun < 1000);
}

TEST_CASE("a map whose helpers never got their turn leaves nothing behind")
{
    // Both workers are busy, so the calling thread does all of the map, and the helper's job stays in the queue. It is still there when the
    // pool is terminated and joined, because the workers have gone on to Asio's queue. The leak sanitizer is the judge.
    test::gate begun;
    test::gate gate;
    thread_pool pool{2};
    for (int k = 0; k < 2; ++k)
        static_cast<void>(pool.apply_async([&] {
            begun.open();
            gate.pass();
            std::this_thread::sleep_for(1ms); // the worker's time slice is over
        }));
    begun.pass();
    for (int k = 0; k < 4; ++k)
        asio::post(pool.context(), [] { std::this_thread::sleep_for(10ms); });
    CHECK(pool.map([](int n) { return n; }, std::vector{1, 2, 3}) == std::vector{1, 2, 3});
    pool.terminate();
    gate.open();
}
