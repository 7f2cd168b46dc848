// map and its kin when something throws, and what they report on the way.
#include "ranges.hpp"
#include "support.hpp"

#include <tandem/pool/thread_pool.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <ranges>
#include <stdexcept>
#include <utility>
#include <vector>

using namespace tandem;
using namespace tandem::test;

TEST_CASE("the first error stops the rest, and what runs is waited for")
{
    test::gate second_begun;
    test::gate gate;
    std::atomic<int> ran{0};
    thread_pool pool{2};
    async_result<std::vector<int>> r = pool.map_async(
        [&](int n) {
            if (++ran == 1) {
                second_begun.pass();
                throw std::out_of_range("the first");
            }
            second_begun.open();
            gate.pass();
            return n;
        },
        numbers(1000), {.chunk = 1});
    second_begun.pass();
    // One worker is at the gate, so the other gets to this call when it is through with the map.
    pool.apply_async([] {}).get();
    CHECK_FALSE(r.ready());
    gate.open();
    CHECK_THROWS_WITH_AS(r.get(), "the first", std::out_of_range);
    CHECK(ran == 2);
}

TEST_CASE("of several errors one is rethrown")
{
    thread_pool pool{2};
    for (int i = 0; i < 50; ++i)
        CHECK_THROWS_AS(pool.map([](int n) { throw n; }, numbers(20), {.chunk = 1}), int);
}

TEST_CASE("what the range throws")
{
    thread_pool pool{2};
    std::atomic<int> ran{0};
    const auto f = [&](int n) {
        ++ran;
        return n;
    };
    CHECK_THROWS_WITH_AS(pool.map(f, counter(10, 5)), "unreadable", std::runtime_error);
    CHECK_THROWS_WITH_AS(pool.map_async(f, counter(10, 5)), "unreadable", std::runtime_error); // reads at once
    CHECK(ran == 0);
    CHECK(pool.stats().submitted == 0);

    const std::vector<int> ten = numbers(10);
    const auto throwing_view =
        ten | std::views::transform([](int n) { return n == 5 ? throw std::runtime_error("unreadable") : n; });
    CHECK_THROWS_WITH_AS(pool.map(f, throwing_view), "unreadable", std::runtime_error);

    const auto coroutine = [](int n) -> task<int> { co_return n; };
    CHECK_THROWS_WITH_AS(pool.map(coroutine, counter(10, 5)), "unreadable", std::runtime_error);
    CHECK_THROWS_WITH_AS(pool.map(coroutine, counter(10, 5), {.concurrency = 2}), "unreadable", std::runtime_error);
    CHECK_THROWS_WITH_AS(pool.map(coroutine, throwing_view), "unreadable", std::runtime_error);
    CHECK(pool.apply(f, 1) == 1);
}

// --- progress ----------------------------------------------------------------------------------------------------------------

TEST_CASE("progress is reported one call at a time, in order, and last the whole")
{
    thread_pool pool{2};
    std::vector<std::size_t> reports; // no lock: one call at a time
    const auto progress = [&](std::size_t done, std::size_t all) {
        CHECK(all == 1000);
        reports.push_back(done);
    };
    SUBCASE("map") { pool.map(square, numbers(1000), {.chunk = 7, .progress = progress}); }
    SUBCASE("map, chunks as chosen") { pool.map(square, numbers(1000), {.progress = progress}); }
    SUBCASE("map over a list") { pool.map(square, counter(1000), {.chunk = 1, .progress = progress}); }
    SUBCASE("map_async") { pool.map_async(square, numbers(1000), {.chunk = 10, .progress = progress}).get(); }
    SUBCASE("starmap")
    {
        pool.starmap(
            [](int a, int b) { return a + b; }, std::vector<std::pair<int, int>>(1000), {.chunk = 10, .progress = progress});
    }
    REQUIRE_FALSE(reports.empty());
    CHECK(reports.back() == 1000);
    CHECK(std::ranges::is_sorted(reports));
    CHECK(std::ranges::adjacent_find(reports) == reports.end());
}

TEST_CASE("a map that fails never reports the whole")
{
    thread_pool pool{2};
    std::atomic<std::size_t> last{0};
    CHECK_THROWS(pool.map([](int n) { return n == 500 ? throw 1 : n; }, numbers(1000),
        {.chunk = 10, .progress = [&](std::size_t n, std::size_t) { last = n; }}));
    CHECK(last < 1000);
}
