// map and its kin over any range and any function that threads can share.
#include "ranges.hpp"
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
using namespace tandem::test;
using namespace std::chrono_literals;

namespace {

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
        std::atomic<int> held{0};
        thread_pool pool{2};
        for (int i = 0; i < 2; ++i)
            static_cast<void>(pool.apply_async([&] {
                ++held;
                gate.pass();
            }));
        while (held != 2) // else one of them might take part before it takes its call
            std::this_thread::yield();
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

TEST_CASE("one worker does the items in order, in a map that blocks and in one that does not")
{
    thread_pool pool{1};
    std::vector<int> done;
    const auto note = [&](int n) { done.push_back(n); };
    pool.map(note, numbers(1000));
    CHECK(done == numbers(1000));
    done.clear();
    pool.map_async(note, numbers(1000)).get();
    CHECK(done == numbers(1000));
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
