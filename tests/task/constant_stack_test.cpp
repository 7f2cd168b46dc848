// Awaiting uses no stack: long loops and deep chains run on a thread that has little of it, in every build.
#include "support/tasks.hpp"
#include "support/threads.hpp"

#include <tandem/combine/when_all.hpp>
#include <tandem/pool/co_spawn.hpp>
#include <tandem/pool/thread_pool.hpp>
#include <tandem/sync/one_shot_event.hpp>
#include <tandem/task/sync_wait.hpp>

#include <doctest/doctest.h>

#include <coroutine>
#include <cstddef>
#include <stdexcept>
#include <tuple>
#include <utility>
#include <vector>

using namespace tandem;
using namespace tandem::test;

namespace {

constexpr std::size_t little = 256 << 10;

constexpr int ten_million = scaled(10'000'000, 2'000'000, 1'000'000);
constexpr int million = scaled(1'000'000, 200'000, 100'000);

task<int> at_once(int n) { co_return n; }
task<int> adds_up(int n)
{
    int sum = 0;
    for (int k = 0; k < n; ++k) {
        co_await nothing();
        sum += co_await at_once(1);
    }
    co_return sum;
}

task<int> chain(int depth)
{
    if (depth == 0)
        co_return 0;
    co_return 1 + co_await chain(depth - 1);
}

task<> throws_below(int depth)
{
    if (depth == 0)
        throw std::out_of_range("from the bottom");
    co_await throws_below(depth - 1);
}

task<int> chain_to(int depth, one_shot_event& e)
{
    if (depth == 0) {
        co_await e;
        co_return 0;
    }
    co_return 1 + co_await chain_to(depth - 1, e);
}

task<> sets(one_shot_event& e)
{
    e.set();
    co_return;
}

task<int> forks(int n)
{
    int sum = 0;
    for (int k = 0; k < n; ++k) {
        auto [a, b, c] = co_await when_all(at_once(1), nothing(), at_once(1));
        sum += a + c;
    }
    co_return sum;
}

// Forks all the way down: on either side of each fork hangs the rest.
task<int> fork_chain(int depth)
{
    if (depth == 0)
        co_return 0;
    if (depth % 2) {
        auto [a, b] = co_await when_all(fork_chain(depth - 1), at_once(1));
        co_return a + b;
    }
    auto [a, b] = co_await when_all(at_once(1), fork_chain(depth - 1));
    co_return a + b;
}

// Of two, each goes on when the other has made its step: every step wakes the other.
struct table {
    one_shot_event ball[2];
};
task<> plays(table* tables, int rounds, int me)
{
    for (int k = 0; k < rounds; ++k) {
        if (me == 0) {
            tables[k].ball[0].set();
            co_await tables[k].ball[1];
        }
        else {
            co_await tables[k].ball[0];
            tables[k].ball[1].set();
        }
    }
}

// A coroutine that knows nothing of Tandem, and is resumed by handle.resume().
struct foreign {
    struct promise_type {
        foreign get_return_object() noexcept { return {}; }
        static std::suspend_never initial_suspend() noexcept { return {}; }
        static std::suspend_never final_suspend() noexcept { return {}; }
        void return_void() noexcept {}
        void unhandled_exception() noexcept { std::terminate(); }
    };
};

} // namespace

TEST_CASE("ten million awaits of tasks that complete at once")
{
    on_stack_of(little, [] { CHECK(sync_wait(adds_up(ten_million / 2)) == ten_million / 2); });
}

TEST_CASE("a chain of tasks a million deep")
{
    on_stack_of(little, [] { CHECK(sync_wait(chain(million)) == million); });
}

TEST_CASE("a chain a million deep that sleeps at the bottom, and is woken")
{
    on_stack_of(little, [] {
        one_shot_event e;
        const auto both = [&]() -> task<int> {
            auto [depth, none] = co_await when_all(chain_to(million, e), sets(e));
            co_return depth;
        };
        CHECK(sync_wait(both()) == million);
    });
}

TEST_CASE("an exception through a deep chain")
{
    on_stack_of(little, [] {
        const auto catches = []() -> task<int> {
            try {
                co_await throws_below(million / 20);
            }
            catch (const std::out_of_range&) {
                co_return 1;
            }
            co_return 0;
        };
        CHECK(sync_wait(catches()) == 1);
    });
}

TEST_CASE("a million forks, one after the other")
{
    SUBCASE("in sync_wait")
    {
        on_stack_of(little, [] { CHECK(sync_wait(forks(million)) == 2 * million); });
    }
    SUBCASE("on the workers of a pool")
    {
        const default_stack small(little);
        thread_pool pool(2);
        CHECK(sync_wait(pool, forks(million)) == 2 * million);
    }
}

TEST_CASE("forks within forks, a hundred thousand deep")
{
    constexpr int depth = million / 10;
    SUBCASE("in sync_wait")
    {
        on_stack_of(little, [&] { CHECK(sync_wait(fork_chain(depth)) == depth); });
    }
    SUBCASE("on one worker")
    {
        const default_stack small(little);
        thread_pool pool(1);
        CHECK(sync_wait(pool, fork_chain(depth)) == depth);
    }
    SUBCASE("on two workers that steal from each other")
    {
        const default_stack small(little);
        thread_pool pool(2);
        CHECK(sync_wait(pool, fork_chain(depth)) == depth);
    }
}

TEST_CASE("two tasks of a when_all wake each other a million times")
{
    constexpr int rounds = million / 2;
    const auto game = [](table* tables) -> task<> { co_await when_all(plays(tables, rounds, 0), plays(tables, rounds, 1)); };
    std::vector<table> tables(rounds);
    SUBCASE("in a manual_context")
    {
        on_stack_of(little, [&] { manual_context().run(game(tables.data())); });
    }
    SUBCASE("in sync_wait")
    {
        on_stack_of(little, [&] { sync_wait(game(tables.data())); });
    }
    SUBCASE("on a pool")
    {
        const default_stack small(little);
        thread_pool pool(2);
        sync_wait(pool, game(tables.data()));
    }
}

TEST_CASE("a foreign coroutine awaits a million tasks")
{
    on_stack_of(little, [] {
        int sum = 0;
        const auto awaits = [](int& into) -> foreign {
            for (int k = 0; k < million; ++k)
                into += co_await at_once(1);
            into += co_await chain(million);
        };
        awaits(sum);
        CHECK(sum == 2 * million);
    });
}

TEST_CASE("a task starts a million foreign coroutines that await tasks")
{
    on_stack_of(little, [] {
        int sum = 0;
        const auto awaits = [](int& into) -> foreign { into += co_await at_once(1); };
        const auto starts = [&]() -> task<> {
            for (int k = 0; k < million; ++k) {
                awaits(sum);
                co_await nothing();
            }
        };
        sync_wait(starts());
        CHECK(sum == million);
    });
}
