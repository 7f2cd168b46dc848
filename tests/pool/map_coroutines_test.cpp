// map and its kin over coroutine functions: what is under way at once, and what happens to it.
#include "ranges.hpp"
#include "support.hpp"

#include <tandem/io/sleep.hpp>
#include <tandem/pool/thread_pool.hpp>
#include <tandem/sync/one_shot_event.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <list>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

using namespace tandem;
using namespace tandem::test;
using namespace std::chrono_literals;

TEST_CASE("a coroutine function: all items are under way at once")
{
    thread_pool pool{1};
    int begun = 0; // plain: the pool of one is as good as a lock
    one_shot_event all_begun;
    std::vector<async_result<int>> handles;
    const auto meets_the_others = [&](int n) -> task<int> {
        if (++begun == 10)
            all_begun.set();
        if (n == 0)
            co_await all_begun;
        co_return n* n;
    };
    std::vector<int> expected;
    for (int i = 0; i < 10; ++i)
        expected.push_back(i * i);
    SUBCASE("map") { CHECK(pool.map(meets_the_others, numbers(10)) == expected); }
    SUBCASE("map over a list") { CHECK(pool.map(meets_the_others, std::list{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}) == expected); }
    SUBCASE("map_async") { CHECK(pool.map_async(meets_the_others, numbers(10)).get() == expected); }
    CHECK(begun == 10);
}

TEST_CASE("a coroutine function with a limit: so many are under way, and no more")
{
    thread_pool pool{2};
    std::atomic<int> under_way{0};
    std::atomic<int> most{0};
    const auto f = [&](int n) -> task<int> {
        const int now = ++under_way;
        int seen = most;
        while (now > seen && !most.compare_exchange_weak(seen, now)) {}
        co_await sleep_for(0s);
        --under_way;
        co_return n;
    };
    CHECK(pool.map(f, numbers(100), {.concurrency = 3}) == numbers(100));
    CHECK(most <= 3);
    CHECK(pool.map_async(f, numbers(100), {.concurrency = 3}).get() == numbers(100));
    CHECK(most <= 3);
    CHECK(pool.map(f, counter(100), {.concurrency = 3}) == numbers(100));
    CHECK(most <= 3);
    CHECK(pool.map(f, numbers(2), {.concurrency = 1000}) == numbers(2));
}

TEST_CASE("coroutine functions without a result, of nothing, with tuples")
{
    thread_pool pool{2};
    std::atomic<int> sum{0};
    const auto add = [&](int n) -> task<void> {
        sum += n;
        co_return;
    };
    pool.map(add, numbers(5));
    pool.map(add, numbers(5), {.concurrency = 2});
    pool.map(add, std::vector<int>{});
    pool.map_async(add, numbers(5)).get();
    CHECK(sum == 30);
    const auto join = [](std::string s, int n) -> task<std::string> { co_return s + std::to_string(n); };
    const std::vector rows{std::tuple(std::string("a"), 1), std::tuple(std::string("b"), 2)};
    CHECK(pool.starmap(join, rows) == std::vector<std::string>{"a1", "b2"});
    CHECK(pool.starmap_async(join, rows).get() == std::vector<std::string>{"a1", "b2"});
    CHECK(pool.starmap(join, rows, {.concurrency = 1}) == std::vector<std::string>{"a1", "b2"});
}

TEST_CASE("a coroutine that fails cancels the others, and they are awaited")
{
    for (const std::size_t concurrency : {0, 3}) {
        CAPTURE(concurrency);
        std::atomic<int> begun{0};
        std::atomic<int> ended{0};
        thread_pool pool{2};
        const auto f = [&](int n) -> task<int> {
            ++begun;
            struct at_end {
                ~at_end() { ++ended; }
                std::atomic<int>& ended;
            } const guard{ended};
            if (n == 2)
                throw std::out_of_range("two");
            co_await sleep_for(24h);
            co_return n;
        };
        CHECK_THROWS_WITH_AS(pool.map(f, numbers(100), {.concurrency = concurrency}), "two", std::out_of_range);
        CHECK(begun == ended);
        CHECK_THROWS_WITH_AS(pool.map_async(f, numbers(100), {.concurrency = concurrency}).get(), "two", std::out_of_range);
        CHECK(begun == ended);
    }
}

TEST_CASE("cancel reaches a map_async")
{
    std::atomic<bool> begun{false};
    test::gate gate;
    thread_pool pool{2};
    SUBCASE("of coroutines")
    {
        async_result<std::vector<int>> r = pool.map_async(
            [&](int) -> task<int> {
                begun = true;
                co_await sleep_for(24h);
                co_return 1;
            },
            numbers(10));
        test::wait_until(begun);
        r.cancel();
        CHECK_THROWS_AS(r.get(), operation_cancelled);
    }
    SUBCASE("of functions: those that run end, the rest do not begin")
    {
        std::atomic<int> ran{0};
        async_result<std::vector<int>> r = pool.map_async(
            [&](int n) {
                begun = true;
                gate.pass();
                ++ran;
                return n;
            },
            numbers(1000), {.chunk = 1});
        test::wait_until(begun);
        r.cancel();
        gate.open();
        CHECK_THROWS_AS(r.get(), operation_cancelled);
        CHECK(ran <= 3); // one each, and one for a thread that had its item in hand
    }
}
