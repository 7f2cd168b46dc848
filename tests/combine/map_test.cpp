#include "support/manual_context.hpp"
#include "support/threads.hpp"

#include <tandem/combine/map.hpp>
#include <tandem/io/sleep.hpp>
#include <tandem/tandem.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <iterator>
#include <list>
#include <ranges>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

using namespace tandem;
using namespace tandem::test;
using namespace std::chrono_literals;

namespace {

task<int> twice(int n) { co_return 2 * n; }

/// Counts how many are under way at once.
struct gauge {
    int now = 0;
    int most = 0;
};

task<int> measured(manual_context& m, gauge& g, int n)
{
    g.most = std::max(g.most, ++g.now);
    co_await m.sleep_for(std::chrono::seconds(1 + n % 3));
    --g.now;
    co_return n;
}

} // namespace

TASK_TEST_CASE("map of a coroutine function gives the results in order")
{
    const std::vector<int> numbers{1, 2, 3};
    const std::list<int> list{4, 5};
    const std::vector<int> three = co_await tandem::map(numbers, twice);
    CHECK(three == std::vector{2, 4, 6});
    const std::vector<int> none = co_await tandem::map(std::vector<int>(), twice);
    CHECK(none.empty());
    const map_limits one_at_a_time{.concurrency = 1};
    const std::vector<int> two = co_await tandem::map(list, twice, one_at_a_time);
    CHECK(two == std::vector{8, 10});
    const map_limits more_than_there_are{.concurrency = 7};
    const std::vector<int> counted = co_await tandem::map(std::views::iota(0, 3), twice, more_than_there_are);
    CHECK(counted == std::vector{0, 2, 4});
}

TASK_TEST_CASE("map keeps to its limit, and to the order")
{
    for (const std::size_t limit : {1u, 2u, 5u}) {
        gauge g;
        const auto f = [&](int n) { return measured(manual, g, n); };
        const std::vector<int> r = co_await tandem::map(std::views::iota(0, 20), f, {.concurrency = limit});
        CHECK(g.most == static_cast<int>(limit));
        for (int i = 0; i < 20; ++i)
            CHECK(r[static_cast<std::size_t>(i)] == i);
    }
    gauge g;
    const auto f = [&](int n) { return measured(manual, g, n); };
    const auto start = manual.now();
    co_await tandem::map(std::views::iota(0, 20), f);
    CHECK(g.most == 20); // no limit: all at once
    CHECK(manual.now() - start == 3s);
}

TASK_TEST_CASE("a limited map reads its range lazily: an endless one ends with an error")
{
    int read = 0;
    auto endless = std::views::iota(0) | std::views::transform([&](int n) {
        ++read;
        return n;
    });
    const auto f = [&](int n) -> task<void> {
        co_await manual.sleep_for(1s);
        if (n == 10)
            throw std::out_of_range("ten");
    };
    bool thrown = false;
    try {
        co_await tandem::map(endless, f, {.concurrency = 3});
    }
    catch (const std::out_of_range&) {
        thrown = true;
    }
    CHECK(thrown);
    CHECK(read <= 14);
}

TASK_TEST_CASE("what the range throws comes out, after what was started has ended")
{
    int ended = 0;
    auto breaking = std::views::iota(0, 10) | std::views::transform([](int n) {
        if (n == 4)
            throw std::out_of_range("range");
        return n;
    });
    const auto f = [&](int) -> task<void> {
        try {
            co_await manual.sleep_for(1s);
        }
        catch (const operation_cancelled&) {
        }
        ++ended;
    };
    for (const std::size_t limit : {0u, 2u, 6u}) {
        ended = 0;
        bool thrown = false;
        try {
            co_await tandem::map(breaking, f, {.concurrency = limit});
        }
        catch (const std::out_of_range&) {
            thrown = true;
        }
        CHECK(thrown);
        CHECK(ended == (limit == 0 ? 0 : 4));
    }
}

TEST_CASE("nobody reads a range again that has thrown, or is at its end")
{
    // Reading on would be undefined for many a range: a generator's, for one.
    struct breaking {
        struct shared {
            int last;
            bool throws;
            bool over = false;
            int read_after = 0;
        };
        struct iterator {
            using value_type = int;
            using difference_type = std::ptrdiff_t;
            int operator*() const { return n; }
            iterator& operator++()
            {
                s->read_after += s->over;
                s->over = n + 1 == s->last;
                if (s->over && s->throws) {
                    spin_for(50us); // so that the others come meanwhile
                    throw std::out_of_range("range");
                }
                ++n;
                return *this;
            }
            void operator++(int) { ++*this; }
            bool operator==(std::default_sentinel_t) const { return n == s->last; }
            int n;
            shared* s;
        };
        iterator begin() { return {0, &s}; }
        std::default_sentinel_t end() const { return {}; }
        shared s;
    };
    static_assert(std::ranges::input_range<breaking>);
    thread_pool pool{4};
    const auto busy = [](int n) -> task<int> {
        spin_for(20us);
        co_return n;
    };
    for (int round = 0; round < scaled(200, 100, 50); ++round) {
        breaking b{{.last = 20, .throws = true}};
        CHECK_THROWS_WITH_AS(sync_wait(pool, tandem::map(b, busy, {.concurrency = 4})), "range", std::out_of_range);
        CHECK(b.s.read_after == 0);
        breaking c{{.last = 20, .throws = false}};
        CHECK(sync_wait(pool, tandem::map(c, busy, {.concurrency = 4})).size() == 20);
        CHECK(c.s.read_after == 0);
    }
}

TEST_CASE("a stop request from outside ends a map")
{
    for (const std::size_t limit : {0u, 1u, 3u}) {
        stop_source source;
        manual_context m;
        const auto f = [&](int n) -> task<int> {
            co_await m.sleep_for(1s);
            if (n == 1)
                source.request_stop();
            co_return n;
        };
        auto all = tandem::map(std::views::iota(0, 10), f, {.concurrency = limit});
        CHECK_THROWS_AS(m.run(std::move(all), source.get_token()), operation_cancelled);
    }
}

TEST_CASE("map of a plain function, on a pool and off it")
{
    const auto square = [](int n) { return n * n; };
    const std::vector<int> numbers{1, 2, 3, 4};
    const std::vector<int> squares{1, 4, 9, 16};
    CHECK(sync_wait(tandem::map(numbers, square)) == squares);
    thread_pool pool{4};
    CHECK(sync_wait(pool, tandem::map(numbers, square)) == squares);
    CHECK(sync_wait(pool, tandem::map(std::list<int>(numbers.begin(), numbers.end()), square)) == squares);
    std::istringstream text("1 2 3 4");
    CHECK(sync_wait(pool, tandem::map(std::views::istream<int>(text), square)) == squares);
    CHECK(sync_wait(pool, tandem::map(numbers, [](int n) { return n > 2; })) == std::vector{false, false, true, true});

    std::atomic<long> sum{0};
    sync_wait(pool, tandem::map(std::views::iota(0, 100'000), [&](int n) { sum += n; }));
    CHECK(sum == 99'999L * 100'000 / 2);
}

TEST_CASE("a plain function that throws stops the rest, and the error comes out as it was thrown")
{
    thread_pool pool{4};
    std::atomic<int> called{0};
    const auto f = [&](int n) {
        called.fetch_add(1, std::memory_order_relaxed);
        if (n == 3)
            throw std::out_of_range("three");
    };
    // So many that the others cannot do them all while the one that is to throw waits for a processor.
    constexpr int many = 1'000'000'000;
    for (int round = 0; round < 50; ++round) {
        called = 0;
        CHECK_THROWS_WITH_AS(sync_wait(pool, tandem::map(std::views::iota(0, many), f)), "three", std::out_of_range);
        CHECK(called < many);
    }
}

TEST_CASE("plain functions with a limit")
{
    thread_pool pool{8};
    std::atomic<int> now{0};
    std::atomic<int> most{0};
    const auto f = [&](int) {
        const int n = ++now;
        int seen = most;
        while (n > seen && !most.compare_exchange_weak(seen, n)) {}
        std::this_thread::sleep_for(100us);
        --now;
    };
    sync_wait(pool, tandem::map(std::views::iota(0, 60), f, {.concurrency = 2}));
    CHECK(most <= 2);
}

TEST_CASE("maps of coroutines on many threads")
{
    thread_pool pool{8};
    const auto f = [](int n) -> task<int> {
        if (n % 16 == 0)
            co_await sleep_for(std::chrono::microseconds(n % 64));
        co_return n;
    };
    const int n = scaled(20'000, 5'000, 2'000);
    for (const std::size_t limit : {0u, 4u, 100u}) {
        const std::vector<int> r = sync_wait(pool, tandem::map(std::views::iota(0, n), f, {.concurrency = limit}));
        REQUIRE(r.size() == static_cast<std::size_t>(n));
        for (int i = 0; i < n; ++i)
            REQUIRE(r[static_cast<std::size_t>(i)] == i);
    }
}
