// map and its kin over any range and any function that threads can share.
#include "support.hpp"

#include <tandem/io/sleep.hpp>
#include <tandem/pool/thread_pool.hpp>
#include <tandem/sync/one_shot_event.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <forward_list>
#include <functional>
#include <iterator>
#include <list>
#include <memory>
#include <ranges>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

using namespace tandem;
using namespace std::chrono_literals;

namespace {

int square(int n) { return n * n; }

/// A range that can be read once, gives its numbers by value as a generator does, and may throw on the way.
class counter {
public:
    explicit counter(int n, int throws_at = -1) : end_(n), throws_at_(throws_at) {}

    struct iterator {
        using value_type = int;
        using difference_type = std::ptrdiff_t;
        counter* c;
        int operator*() const { return c->next_; }
        iterator& operator++()
        {
            if (++c->next_ == c->throws_at_)
                throw std::runtime_error("unreadable");
            return *this;
        }
        void operator++(int) { ++*this; }
        [[nodiscard]] bool at_end() const { return c->next_ == c->end_; }
        friend bool operator==(const iterator& i, std::default_sentinel_t) { return i.at_end(); }
    };
    iterator begin() { return {this}; }
    std::default_sentinel_t end() { return {}; }

private:
    int next_ = 0;
    int end_;
    int throws_at_;
};
static_assert(std::ranges::input_range<counter> && !std::ranges::forward_range<counter>);

std::vector<int> numbers(int n)
{
    std::vector<int> v;
    for (int i = 0; i < n; ++i)
        v.push_back(i);
    return v;
}

struct no_default {
    explicit no_default(int v) : value(v) {}
    no_default(no_default&&) = default;
    no_default& operator=(no_default&&) = delete;
    int value;
};

} // namespace

// --- ranges ------------------------------------------------------------------------------------------------------------------

TEST_CASE("map over every kind of range")
{
    thread_pool pool{2};
    const std::vector expected{0, 1, 4, 9};
    int array[] = {0, 1, 2, 3};
    CHECK(pool.map(square, array) == expected);
    CHECK(pool.map(square, std::array{0, 1, 2, 3}) == expected);
    CHECK(pool.map(square, std::list{0, 1, 2, 3}) == expected);
    CHECK(pool.map(square, std::forward_list{0, 1, 2, 3}) == expected);
    CHECK(pool.map(square, std::set{3, 2, 1, 0}) == expected);
    CHECK(pool.map(square, std::views::iota(0, 4)) == expected);
    CHECK(pool.map(square, std::views::iota(0) | std::views::take(4)) == expected);
    CHECK(pool.map(square, numbers(8) | std::views::filter([](int n) { return n < 4; })) == expected);
    CHECK(pool.map(square, numbers(4) | std::views::transform([](int n) { return n; })) == expected);
    CHECK(pool.map(square, std::views::reverse(array)) == std::vector{9, 4, 1, 0});
    CHECK(pool.map(square, counter(4)) == expected);
    counter lvalue(4);
    CHECK(pool.map(square, lvalue) == expected);
    std::istringstream text("0 1 2 3");
    CHECK(pool.map(square, std::views::istream<int>(text)) == expected);
    std::istringstream words("a bc def");
    CHECK(pool.map(&std::string::size, std::views::istream<std::string>(words)) == std::vector<std::size_t>{1, 2, 3});
    std::istringstream bits("0 1 1");
    CHECK(pool.map([](bool b) { return !b; }, std::views::istream<bool>(bits)) == std::vector{true, false, false});
    CHECK(pool.map([](bool b) { return b ? 1 : 0; }, std::vector<bool>{true, false, true}) == std::vector{1, 0, 1});
    CHECK(pool.map([](char c) { return c; }, std::string("xyz")) == std::vector{'x', 'y', 'z'});
}

TEST_CASE("map_async over every kind of range")
{
    thread_pool pool{2};
    const std::vector expected{0, 1, 4, 9};
    CHECK(pool.map_async(square, std::array{0, 1, 2, 3}).get() == expected);
    CHECK(pool.map_async(square, std::list{0, 1, 2, 3}).get() == expected);
    CHECK(pool.map_async(square, std::views::iota(0, 4)).get() == expected);
    CHECK(pool.map_async(square, numbers(8) | std::views::filter([](int n) { return n < 4; })).get() == expected);
    CHECK(pool.map_async(square, counter(4)).get() == expected);
    std::istringstream text("0 1 2 3");
    CHECK(pool.map_async(square, std::views::istream<int>(text)).get() == expected);
    CHECK(pool.map_async([](bool b) { return b; }, std::vector<bool>{true, false}).get() == std::vector{true, false});
}

TEST_CASE("the function gets the items themselves when the range keeps them")
{
    thread_pool pool{2};
    const auto increment = [](int& n) { ++n; };
    std::vector v{1, 2, 3};
    pool.map(increment, v);
    CHECK(v == std::vector{2, 3, 4});
    std::list l{1, 2, 3};
    pool.map(increment, l);
    CHECK(l == std::list{2, 3, 4});
    pool.map(increment, v | std::views::filter([](int n) { return n != 3; }), {.chunk = 2});
    CHECK(v == std::vector{3, 3, 5});
}

TEST_CASE("map_async takes copies, made at once")
{
    test::gate gate;
    thread_pool pool{1};
    std::vector v{1, 2, 3};
    async_result<std::vector<int>> r = pool.map_async(
        [&](int& n) {
            gate.pass();
            return ++n;
        },
        v);
    v = {7, 8, 9};
    gate.open();
    CHECK(r.get() == std::vector{2, 3, 4});
    CHECK(v == std::vector{7, 8, 9});
}

TEST_CASE("move-only items")
{
    thread_pool pool{2};
    const auto make = [](int n) { return std::make_unique<int>(n); };
    const auto read = [](const std::unique_ptr<int>& p) { return *p; };
    std::vector<std::unique_ptr<int>> v;
    v.push_back(make(1));
    v.push_back(make(2));
    CHECK(pool.map(read, v) == std::vector{1, 2});
    CHECK(pool.map_async(read, std::move(v)).get() == std::vector{1, 2});
    // Made by the range, one by one, and moved to the function.
    const auto take = [](std::unique_ptr<int> p) { return *p; };
    CHECK(pool.map(take, std::views::iota(1, 4) | std::views::transform(make)) == std::vector{1, 2, 3});
    CHECK(pool.map(take, std::views::iota(1) | std::views::take_while([](int n) { return n < 4; }) | std::views::transform(make)) ==
          std::vector{1, 2, 3});
}

// --- results -----------------------------------------------------------------------------------------------------------------

TEST_CASE("results of every kind")
{
    thread_pool pool{2};
    const std::vector<int> many = numbers(1000);

    const std::vector<bool> odd =
        pool.map([](int n) { return n % 2 == 1; }, many, {.chunk = 1}); // bits of one word, by two threads
    for (std::size_t i = 0; i < odd.size(); ++i)
        REQUIRE(odd[i] == (i % 2 == 1));

    const std::vector<no_default> boxes = pool.map([](int n) { return no_default(n); }, many);
    CHECK(boxes.size() == 1000);
    CHECK(boxes[999].value == 999);

    const std::vector<std::unique_ptr<int>> pointers = pool.map([](int n) { return std::make_unique<int>(n); }, many);
    CHECK(*pointers[500] == 500);

    const std::vector<std::string> texts = pool.map([](int n) -> const std::string { return std::to_string(n); }, many);
    CHECK(texts[321] == "321");
}

TEST_CASE("references as results are references to what they refer to")
{
    thread_pool pool{2};
    std::vector v{1, 2, 3};
    const std::vector<std::reference_wrapper<int>> of_vector = pool.map([](int& n) -> int& { return n; }, v);
    CHECK(&of_vector[2].get() == &v[2]);
    std::list<std::string> l{"a", "b"};
    const std::vector<std::reference_wrapper<const std::string>> of_list =
        pool.map([](const std::string& s) -> const std::string& { return s; }, l);
    CHECK(&of_list[0].get() == &l.front());
    CHECK(&of_list[1].get() == &l.back());
}

TEST_CASE("items and results are not copied")
{
    test::tally items;
    test::tally results;
    {
        thread_pool pool{2};
        std::vector<test::tracked> v;
        for (int i = 0; i < 100; ++i)
            v.emplace_back(items, i);
        const std::list<test::tracked> l(v.begin(), v.end());
        const auto f = [&](const test::tracked& i) { return test::tracked(results, i.value); };
        const auto start = [&] {
            for (test::tally* t : {&items, &results}) {
                t->copies = 0;
                t->moves = 0;
            }
        };
        SUBCASE("map")
        {
            start();
            CHECK(pool.map(f, v)[99].value == 99);
            CHECK(results.alive == 0); // nothing is kept
            CHECK(items.copies == 0);
            CHECK(items.moves == 0);
        }
        SUBCASE("map over a list")
        {
            start();
            CHECK(pool.map(f, l)[99].value == 99);
            CHECK(items.copies == 0);
            CHECK(items.moves == 0);
        }
        SUBCASE("map_async copies the items of an lvalue")
        {
            start();
            CHECK(pool.map_async(f, v).get()[99].value == 99);
            CHECK(items.copies == 100);
        }
        SUBCASE("map_async moves an rvalue")
        {
            start();
            CHECK(pool.map_async(f, std::move(v)).get()[99].value == 99);
            CHECK(items.copies == 0);
            CHECK(items.moves == 0);
        }
        CHECK(results.copies == 0);
        CHECK(results.moves <= 200);
    }
    CHECK(items.alive == 0);
    CHECK(results.alive == 0);
}

TEST_CASE("the function is copied once, or only moved")
{
    test::tally count;
    {
        thread_pool pool{2};
        const auto make = [&] { return [t = test::tracked(count)](int n) { return n; }; };
        const auto f = make();
        CHECK(pool.map(f, numbers(100)) == numbers(100));
        CHECK(count.copies == 1);
        CHECK(pool.map(make(), numbers(100)) == numbers(100));
        CHECK(pool.map_async(make(), numbers(100)).get() == numbers(100));
        CHECK(pool.map(std::ref(f), numbers(100)) == numbers(100));
        CHECK(count.copies == 1);
    }
    CHECK(count.alive == 0);
}

TEST_CASE("after a failure nothing is left of the results made")
{
    test::tally count;
    test::gate gate;
    thread_pool pool{2};
    for (int i = 0; i < 2; ++i) // so that helpers wait in the queue, with a hand on the loop
        static_cast<void>(pool.apply_async([&] { gate.pass(); }));
    const auto fails_at = [&](int bad) {
        return [&count, bad](int n) { return n == bad ? throw std::runtime_error("stop") : test::tracked(count, n); };
    };
    for (const int bad : {0, 10, 999}) {
        CHECK_THROWS_WITH_AS(pool.map(fails_at(bad), numbers(1000)), "stop", std::runtime_error);
        CHECK(count.alive == 0);
    }
    gate.open();
    CHECK_THROWS_WITH_AS(pool.map_async(fails_at(10), numbers(1000)).get(), "stop", std::runtime_error);
    CHECK(count.alive == 0);
}

// --- who does the work -------------------------------------------------------------------------------------------------------

TEST_CASE("the calling thread takes part in a pool of several, and not in a pool of one")
{
    const auto here = [](int) { return std::this_thread::get_id(); };
    {
        thread_pool pool{1};
        for (const std::thread::id id : pool.map(here, numbers(100)))
            REQUIRE(id != std::this_thread::get_id());
    }
    {
        // The pool's own threads are held up; the map gets done all the same.
        test::gate gate;
        thread_pool pool{2};
        for (int i = 0; i < 2; ++i)
            static_cast<void>(pool.apply_async([&] { gate.pass(); }));
        for (const std::thread::id id : pool.map(here, numbers(100)))
            REQUIRE(id == std::this_thread::get_id());
        gate.open();
    }
}

TEST_CASE("all the pool's threads take part, if they can")
{
    // Each of three items waits for the other two.
    std::atomic<int> arrived{0};
    test::gate all;
    thread_pool pool{3};
    pool.map(
        [&](int) {
            if (++arrived == 3)
                all.open();
            all.pass();
        },
        numbers(3), {.chunk = 1});
    CHECK(arrived == 3);
}

TEST_CASE("every item is done once")
{
    thread_pool pool{3};
    for (const std::size_t chunk : {0, 1, 3, 64}) {
        std::vector<std::atomic<int>> times(5000);
        pool.map([&](int n) { ++times[static_cast<std::size_t>(n)]; }, numbers(5000), {.chunk = chunk});
        REQUIRE(std::ranges::all_of(times, [](const std::atomic<int>& t) { return t == 1; }));
    }
}

TEST_CASE("a map may hold more items than fit in a time slice, and timers get their turn")
{
    std::atomic<bool> woken{false};
    thread_pool pool{1};
    static_cast<void>(pool.apply_async([&]() -> task<void> {
        co_await sleep_for(1ms);
        woken = true;
    }));
    // Goes on until the timer has fired, on the only thread.
    std::atomic<long> rounds{0};
    pool.map(
        [&](int) {
            const auto until = std::chrono::steady_clock::now() + 10us;
            while (std::chrono::steady_clock::now() < until)
                ++rounds;
        },
        std::vector<int>(2000));
    CHECK(rounds > 0);
    CHECK(woken);
}

// --- coroutine functions -----------------------------------------------------------------------------------------------------

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

// --- errors ------------------------------------------------------------------------------------------------------------------

TEST_CASE("the first error stops the rest, and what runs is waited for")
{
    test::gate second_begun;
    test::gate gate;
    std::atomic<int> ran{0};
    thread_pool pool{2};
    async_result<std::vector<int>> r = pool.map_async(
        [&](int n) {
            ++ran;
            if (n == 0) {
                second_begun.pass();
                throw std::out_of_range("zero");
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
    CHECK_THROWS_WITH_AS(r.get(), "zero", std::out_of_range);
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
