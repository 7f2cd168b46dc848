// imap and imap_unordered over threads: what becomes of the items, and the ways to take the results.
#include "ranges.hpp"
#include "support.hpp"

#include <tandem/io/sleep.hpp>
#include <tandem/pool/co_spawn.hpp>
#include <tandem/pool/thread_pool.hpp>
#include <tandem/task/sync_wait.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <ranges>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace tandem;
using namespace tandem::test;
using namespace std::chrono_literals;

namespace {

template <class R>
auto taken(R&& results)
{
    std::vector<typename std::remove_cvref_t<R>::value_type> v;
    for (auto& r : results)
        v.push_back(std::move(r));
    return v;
}

} // namespace

// --- items and results -------------------------------------------------------------------------------------------------------

TEST_CASE("imap over every kind of range")
{
    thread_pool pool{2};
    const std::vector expected{0, 1, 4, 9};
    int array[] = {0, 1, 2, 3};
    CHECK(taken(pool.imap(square, array)) == expected);
    CHECK(taken(pool.imap(square, std::array{0, 1, 2, 3})) == expected);
    CHECK(taken(pool.imap(square, std::list{0, 1, 2, 3}, {.chunk = 3})) == expected);
    CHECK(taken(pool.imap(square, std::views::iota(0) | std::views::take(4))) == expected);
    std::istringstream text("0 1 2 3");
    CHECK(taken(pool.imap(square, std::views::istream<int>(text), {.chunk = 2})) == expected);
    CHECK(taken(pool.imap([](bool b) { return b ? 1 : 0; }, std::vector<bool>{true, false, true})) == std::vector{1, 0, 1});
    const std::vector<bool> bits{false, true};
    CHECK(taken(pool.imap([](bool b) { return !b; }, bits, {.chunk = 2})) == std::vector{true, false});
}

TEST_CASE("a line is read from a stream when there is room for it, and not before")
{
    thread_pool pool{2};
    std::istringstream text("a bc def ghij klmno");
    auto results = pool.imap(&std::string::size, std::views::istream<std::string>(text), {.window = 2});
    std::string next;
    CHECK(results.next() == 1);
    text >> next; // two were read
    CHECK(next == "def");
    CHECK(taken(results) == std::vector<std::size_t>{2, 4, 5});
}

TEST_CASE("an lvalue range is referred to, and an rvalue range is kept")
{
    thread_pool pool{2};
    std::vector v{1, 2, 3};
    for (auto& r : pool.imap([](int& n) -> int& { return ++n; }, v))
        CHECK(&r.get() >= v.data());
    CHECK(v == std::vector{2, 3, 4});
    auto results =
        pool.imap([](const std::string& s) { return s + s; }, std::vector<std::string>(50, std::string(50, 'x')), {.window = 1});
    for (const std::string& s : results)
        REQUIRE(s == std::string(100, 'x'));
}

TEST_CASE("items and results may be move-only, and are not copied")
{
    thread_pool pool{2};
    const auto make = [](int n) { return std::make_unique<int>(n); };
    auto pointers = pool.imap(
        [](std::unique_ptr<int> p) {
            ++*p;
            return p;
        },
        std::views::iota(0, 10) | std::views::transform(make), {.chunk = 3});
    CHECK(**pointers.next() == 1);
    int n = 2;
    for (const std::unique_ptr<int>& p : pointers)
        CHECK(*p == n++);
    CHECK(n == 11);

    test::tally items;
    test::tally results;
    {
        const std::vector<test::tracked> v(20, test::tracked(items, 5));
        items.copies = 0;
        items.moves = 0;
        const auto f = [&](const test::tracked& i) { return test::tracked(results, i.value); };
        for (const test::tracked& r : pool.imap(f, v, {.chunk = 4}))
            CHECK(r.value == 5);
        CHECK(items.copies == 0);
        CHECK(items.moves == 0);
        const auto by_value = [&](test::tracked i) { return f(i); };
        for (const test::tracked& r :
            pool.imap(by_value, std::views::iota(0, 20) | std::views::transform([&](int i) { return test::tracked(items, i); })))
            CHECK(r.value >= 0);
        CHECK(items.copies == 0);
        CHECK(results.copies == 0);
    }
    CHECK(items.alive == 0);
    CHECK(results.alive == 0);
}

TEST_CASE("results of every kind")
{
    thread_pool pool{2};
    struct no_default {
        explicit no_default(int v) : value(v) {}
        int value;
    };
    int n = 0;
    for (const no_default& r : pool.imap([](int i) { return no_default(i); }, std::views::iota(0, 10)))
        CHECK(r.value == n++);
    CHECK(taken(pool.imap([](int i) { return i % 2 == 0; }, std::views::iota(0, 3))) == std::vector{true, false, true});
    CHECK(taken(pool.imap([](int i) -> const std::string { return std::to_string(i); }, std::views::iota(0, 2))) ==
          std::vector<std::string>{"0", "1"});
    static_assert(std::is_same_v<decltype(pool.imap([](int) {}, std::vector<int>{}).next()), std::optional<std::monostate>>);
}

TEST_CASE("imap of coroutine functions")
{
    thread_pool pool{2};
    const auto slow_square = [](int n) -> task<int> {
        co_await sleep_for(0s);
        if (n == 3)
            throw std::out_of_range("three");
        co_return n* n;
    };
    for (const std::size_t chunk : {1, 4}) {
        auto results = pool.imap(slow_square, std::views::iota(0, 6), {.chunk = chunk});
        CHECK(results.next() == 0);
        CHECK(results.next() == 1);
        CHECK(results.next() == 4);
        CHECK_THROWS_WITH_AS(results.next(), "three", std::out_of_range);
        CHECK(results.next() == 16);
        CHECK(results.next() == 25);
        CHECK_FALSE(results.next());
    }
    // The items of a chunk are under way at once: each but the last waits for the last.
    std::atomic<int> begun{0};
    auto together = pool.imap(
        [&](int) -> task<int> {
            ++begun;
            while (begun < 5)
                co_await sleep_for(0s);
            co_return 1;
        },
        std::views::iota(0, 5), {.chunk = 5});
    CHECK(taken(together).size() == 5);
}

// --- ways to take the results ------------------------------------------------------------------------------------------------

TEST_CASE("range-for, next and next_for may be mixed")
{
    thread_pool pool{2};
    auto results = pool.imap(square, std::views::iota(0, 10));
    CHECK(results.next() == 0);
    CHECK(results.next_for(1h) == 1);
    for (const int r : results) {
        CHECK(r == 4);
        break;
    }
    CHECK(results.next() == 9);
    imap_results<int> rest = std::move(results);
    CHECK(taken(rest).size() == 6);
    CHECK(rest.begin() == rest.end());
    CHECK_FALSE(rest.next_for(0s));
}

TEST_CASE("next_for gives up, and may be asked again")
{
    test::gate gate;
    thread_pool pool{1};
    auto results = pool.imap(
        [&](int n) {
            gate.pass();
            return n;
        },
        std::views::iota(0, 2));
    CHECK_THROWS_AS(results.next_for(0s), timeout_error);
    CHECK_THROWS_AS(results.next_for(1ms), timeout_error);
    CHECK_THROWS_AS(results.next_for(-1s), timeout_error);
    gate.open();
    CHECK(results.next_for(std::chrono::hours::max()) == 0);
    CHECK(results.next() == 1);
    CHECK_FALSE(results.next_for(1ms));
}

TEST_CASE("next_for against results that come just then")
{
    thread_pool pool{2};
    auto results = pool.imap(
        [](int n) {
            for (int i = 0; i < n % 5; ++i)
                std::this_thread::yield();
            return n;
        },
        std::views::iota(0, 500), {.window = 1});
    int got = 0;
    while (got < 500)
        try {
            const std::optional<int> r = results.next_for(std::chrono::microseconds(got % 20));
            REQUIRE(r == got);
            ++got;
        }
        catch (const timeout_error&) {
        }
    CHECK_FALSE(results.next());
}

TEST_CASE("a coroutine takes the results one by one")
{
    thread_pool pool{2};
    const auto consume = [](thread_pool& p, bool ordered) -> task<int> {
        auto results =
            ordered ? p.imap(square, std::views::iota(0, 100)) : p.imap_unordered(square, std::views::iota(0, 100), {.chunk = 3});
        int sum = 0;
        while (std::optional<int> r = co_await results.async_next())
            sum += *r;
        co_return sum;
    };
    for (const bool ordered : {true, false}) {
        CHECK(sync_wait(consume(pool, ordered)) == 328350);
        CHECK(sync_wait(pool, consume(pool, ordered)) == 328350);
        CHECK(pool.apply(consume, std::ref(pool), ordered) == 328350);
    }
    thread_pool one{1};
    CHECK(one.apply(consume, std::ref(one), true) == 328350);
}

TEST_CASE("async_next rethrows an item's error, and goes on")
{
    thread_pool pool{1};
    const auto consume = [](thread_pool& p) -> task<std::string> {
        auto results = p.imap([](int n) { return n == 1 ? throw std::runtime_error("one") : n; }, std::views::iota(0, 3));
        std::string log;
        for (;;) {
            try {
                const std::optional<int> r = co_await results.async_next();
                if (!r)
                    co_return log;
                log += std::to_string(*r);
            }
            catch (const std::runtime_error& e) {
                log += e.what();
            }
        }
    };
    CHECK(sync_wait(consume(pool)) == "0one2");
}

TEST_CASE("a coroutine that is stopped while it waits for a result may come again")
{
    test::gate gate;
    thread_pool pool{1};
    auto results = pool.imap(
        [&](int n) {
            gate.pass();
            return n;
        },
        std::views::iota(5, 7));
    const auto take = [&]() -> task<std::optional<int>> { co_return co_await results.async_next(); };
    {
        stop_source stop;
        std::thread stopper([&] { stop.request_stop(); });
        CHECK_THROWS_AS(sync_wait(take(), stop.get_token()), operation_cancelled);
        stopper.join();
    }
    gate.open();
    CHECK(sync_wait(take()) == 5);
    CHECK(results.next() == 6);
    CHECK_FALSE(sync_wait(take()));
}

TEST_CASE("stopping and results race")
{
    thread_pool pool{2};
    auto results = pool.imap([](int n) { return n; }, std::views::iota(0), {.window = 2});
    const auto take = [&]() -> task<std::optional<int>> { co_return co_await results.async_next(); };
    int expected = 0;
    for (int i = 0; i < 500; ++i) {
        async_result<std::optional<int>> r = co_spawn(pool, take());
        for (int k = 0; k < i % 5; ++k)
            std::this_thread::yield();
        r.cancel();
        try {
            REQUIRE(r.get() == expected);
            ++expected;
        }
        catch (const operation_cancelled&) {
        }
    }
    CHECK(results.next() == expected);
}

TEST_CASE("imap inside a pool of one")
{
    thread_pool pool{1};
    CHECK(pool.apply([&] { return taken(pool.imap(square, std::views::iota(0, 20))); }).size() == 20);
    CHECK(pool.apply([&] { return taken(pool.imap_unordered(square, std::views::iota(0, 20), {.chunk = 7})); }).size() == 20);
}
