// Joins of many children, which are queued as ranges: every child runs once, whoever takes which half.
#include "support/threads.hpp"

#include <tandem/combine/race.hpp>
#include <tandem/combine/when_all.hpp>
#include <tandem/io/co_spawn.hpp>
#include <tandem/sync/sleep.hpp>
#include <tandem/tandem.hpp>

#include <asio/io_context.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <stdexcept>
#include <utility>
#include <vector>

using namespace tandem;
using namespace tandem::test;
using namespace std::chrono_literals;

namespace {

constexpr int sizes[] = {1, 2, 3, 4, 5, 7, 8, 63, 64, 65, 1000, 4097};

/// Ends at once, or after a turn, a sleep, or children of its own: by its number.
task<int> child(int k, std::vector<std::atomic<int>>& runs)
{
    runs[static_cast<std::size_t>(k)].fetch_add(1, std::memory_order_relaxed);
    if (k % 7 == 3)
        co_await yield();
    if (k % 31 == 5)
        co_await sleep_for(20us);
    if (k % 13 == 7) {
        auto [a, b] = co_await when_all(child(k - 1, runs), child(k - 1, runs));
        co_return a + b + 1;
    }
    co_return k;
}
int expected(int k) { return k % 13 == 7 ? 2 * (k - 1) + 1 : k; }

task<> check_all(int n)
{
    std::vector<std::atomic<int>> runs(static_cast<std::size_t>(n));
    std::vector<task<int>> children;
    for (int k = 0; k < n; ++k)
        children.push_back(child(k, runs));
    auto all = when_all(std::move(children));
    const std::vector<int> results = co_await std::move(all);
    REQUIRE(std::cmp_equal(results.size(), n));
    for (int k = 0; k < n; ++k) {
        REQUIRE(results[static_cast<std::size_t>(k)] == expected(k));
        REQUIRE(runs[static_cast<std::size_t>(k)] == 1 + 2 * (k % 13 == 6 && k + 1 < n));
    }
}

task<> check_first_error(int n, int bad)
{
    std::atomic<int> begun{0};
    std::atomic<int> ended{0};
    const auto part = [](int k, int fails, std::atomic<int>& b, std::atomic<int>& e) -> task<> {
        ++b;
        const struct counted {
            ~counted() { ++n; }
            std::atomic<int>& n;
        } c{e};
        if (k == fails)
            throw std::runtime_error("that one");
        if (k % 3 == 0)
            co_await yield();
    };
    std::vector<task<>> children;
    for (int k = 0; k < n; ++k)
        children.push_back(part(k, bad, begun, ended));
    try {
        auto all = when_all(std::move(children));
        co_await std::move(all);
        FAIL("nothing was thrown");
    }
    catch (const std::runtime_error&) {
        // The others have ended, or never began.
        CHECK(begun.load() == ended.load());
        CHECK(begun.load() <= n);
    }
}

} // namespace

TEST_CASE("every child runs once, and the results come in order")
{
    for (const std::size_t threads : {1u, 2u, 4u}) {
        thread_pool pool{threads};
        for (int round = 0; round < scaled(20, 5, 3); ++round)
            for (const int n : sizes)
                co_spawn(pool, check_all(n)).get();
    }
}

TEST_CASE("the same where there are no workers")
{
    for (const int n : sizes) {
        asio::io_context io;
        auto done = co_spawn(io, check_all(n));
        io.run();
        done.get();
        sync_wait(check_all(std::min(n, 65)));
    }
}

TEST_CASE("the first error ends the rest")
{
    for (const std::size_t threads : {1u, 3u}) {
        thread_pool pool{threads};
        for (int round = 0; round < scaled(10, 3, 2); ++round)
            for (const int n : sizes)
                for (const int bad : {0, n / 2, n - 1})
                    co_spawn(pool, check_first_error(n, bad)).get();
    }
}

TEST_CASE("on one thread the children begin in order")
{
    thread_pool pool{1};
    std::vector<int> order;
    const auto note = [](std::vector<int>& o, int k) -> task<> {
        o.push_back(k);
        if (k % 2 == 0)
            co_await yield();
    };
    std::vector<task<>> children;
    for (int k = 0; k < 1000; ++k)
        children.push_back(note(order, k));
    co_spawn(pool, when_all(std::move(children))).get();
    CHECK(order.size() == 1000);
    CHECK(std::ranges::is_sorted(order));
}

TEST_CASE("a race of many has one winner, and the losers end")
{
    thread_pool pool{3};
    for (int round = 0; round < scaled(50, 10, 5); ++round) {
        std::atomic<int> alive{0};
        const auto runner = [](int k, std::atomic<int>& a) -> task<int> {
            ++a;
            const struct counted {
                ~counted() { --n; }
                std::atomic<int>& n;
            } c{a};
            co_await sleep_for(k == 333 ? 1us : 1h);
            co_return k;
        };
        std::vector<task<int>> runners;
        for (int k = 0; k < 500; ++k)
            runners.push_back(runner(k, alive));
        CHECK(co_spawn(pool, race(std::move(runners))).get().value == 333);
        CHECK(alive.load() == 0);
    }
}

TEST_CASE("pools that end with ranges in their queues")
{
    for (int round = 0; round < scaled(50, 20, 10); ++round) {
        thread_pool pool{2};
        auto done = co_spawn(pool, check_all(4097));
        if (round % 2 == 0)
            test::spin_for(std::chrono::microseconds(round * 10));
        pool.terminate();
        try {
            done.get();
        }
        catch (const operation_cancelled&) {
        }
    }
}
