// thread_pool_options::queue_limit: how many calls from outside may wait.
#include "support.hpp"

#include <tandem/pool/thread_pool.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

using namespace tandem;

namespace {

/// A pool of one thread whose queue is full: one call runs and waits at the gate, `limit` more are queued.
struct full_pool {
    explicit full_pool(std::size_t limit) : pool(thread_pool_options{.threads = 1, .name = "cpu", .queue_limit = limit})
    {
        static_cast<void>(pool.apply_async([this] {
            begun.open();
            gate.pass();
        }));
        begun.pass();
        for (std::size_t i = 0; i < limit; ++i)
            static_cast<void>(pool.apply_async([this] { ++ran; }));
    }
    ~full_pool() { gate.open(); }

    test::gate begun;
    test::gate gate;
    std::atomic<std::size_t> ran{0};
    thread_pool pool;
};

} // namespace

TEST_CASE("try_apply_async refuses when the queue is full")
{
    full_pool full(3);
    const auto watched = std::make_shared<int>(1);
    for (int i = 0; i < 3; ++i) {
        CHECK_FALSE(full.pool.try_apply_async([watched] { return 1; }));
        CHECK(watched.use_count() == 1); // it kept nothing of what it refused
    }
    full.gate.open();
    std::optional<async_result<int>> r;
    while (!(r = full.pool.try_apply_async([](int n) { return n; }, args(7))))
        std::this_thread::yield();
    CHECK(r->get() == 7);
    CHECK(full.ran == 3);
}

TEST_CASE("without a limit try_apply_async never refuses")
{
    test::gate gate;
    thread_pool pool{1};
    static_cast<void>(pool.apply_async([&] { gate.pass(); }));
    std::vector<async_result<int>> results;
    for (int i = 0; i < 1000; ++i) {
        std::optional<async_result<int>> r = pool.try_apply_async([i] { return i; });
        REQUIRE(r);
        results.push_back(std::move(*r));
    }
    gate.open();
    CHECK(results.back().get() == 999);
}

TEST_CASE("a submission from outside waits for room")
{
    full_pool full(2);
    std::atomic<bool> opened{false};
    std::atomic<bool> trying{false};
    bool waited = false;
    std::thread outside([&] {
        trying = true;
        static_cast<void>(full.pool.apply_async([&] { ++full.ran; }));
        waited = opened; // there is no room before
    });
    test::wait_until(trying);
    for (int i = 0; i < 100; ++i)
        std::this_thread::yield();
    opened = true;
    full.gate.open();
    outside.join();
    CHECK(waited);
    full.pool.close();
    full.pool.join();
    CHECK(full.ran == 3);
}

TEST_CASE("the queue never holds more than the limit")
{
    constexpr int limit = 3;
    constexpr int threads = 2;
    std::atomic<int> begun{0};
    thread_pool pool({.threads = threads, .queue_limit = limit});
    int most = 0;
    for (int i = 1; i <= 500; ++i) {
        static_cast<void>(pool.apply_async([&] { ++begun; }));
        most = std::max(most, i - begun); // a call leaves the queue just before it counts itself
    }
    CHECK(most <= limit + threads);
}

TEST_CASE("blocking verbs wait for room too")
{
    full_pool full(1);
    std::atomic<bool> opened{false};
    std::atomic<int> early{0};
    std::vector<std::thread> outside;
    const auto check = [&] {
        if (!opened)
            ++early;
    };
    outside.emplace_back([&] {
        CHECK(full.pool.apply([] { return 3; }) == 3);
        check();
    });
    outside.emplace_back([&] {
        CHECK(full.pool.map([](int n) { return n; }, std::vector{1, 2}) == std::vector{1, 2});
        check();
    });
    for (int i = 0; i < 100; ++i)
        std::this_thread::yield();
    opened = true;
    full.gate.open();
    for (std::thread& t : outside)
        t.join();
    CHECK(early == 0);
}

TEST_CASE("work from inside does not wait, so a full pool cannot lock itself")
{
    std::atomic<int> ran{0};
    thread_pool pool({.threads = 1, .queue_limit = 1});
    pool.apply([&] {
        for (int i = 0; i < 100; ++i)
            static_cast<void>(pool.apply_async([&] { ++ran; }));
        CHECK(pool.apply_async([] { return 1; }).get() == 1);
    });
    pool.close();
    pool.join();
    CHECK(ran == 100);
}

TEST_CASE("try_apply_async from inside is refused as well when the queue is full")
{
    test::gate begun;
    test::gate filled;
    thread_pool pool({.threads = 1, .queue_limit = 1});
    async_result<bool> refused = pool.apply_async([&] {
        begun.open();
        filled.pass();
        return !pool.try_apply_async([] {});
    });
    begun.pass();
    CHECK(pool.try_apply_async([] {}));
    filled.open();
    CHECK(refused.get());
}

TEST_CASE("close and terminate send away those who wait for room")
{
    full_pool full(1);
    std::atomic<int> trying{0};
    std::atomic<int> sent_away{0};
    std::vector<std::thread> outside;
    for (int i = 0; i < 3; ++i)
        outside.emplace_back([&] {
            ++trying;
            try {
                static_cast<void>(full.pool.apply_async([] {}));
            }
            catch (const pool_closed& e) {
                if (std::string(e.what()).starts_with("apply_async: the pool 'cpu' "))
                    ++sent_away;
            }
        });
    while (trying != 3)
        std::this_thread::yield();
    SUBCASE("close") { full.pool.close(); }
    SUBCASE("terminate") { full.pool.terminate(); }
    for (std::thread& t : outside)
        t.join();
    CHECK(sent_away == 3);
    CHECK_THROWS_AS(static_cast<void>(full.pool.try_apply_async([] {})), pool_closed);
}

TEST_CASE("calls that are cancelled in the queue make room all the same")
{
    thread_pool pool({.threads = 1, .queue_limit = 2});
    for (int i = 0; i < 100; ++i) {
        const async_result<void> r = pool.apply_async([] {});
        r.cancel();
    }
    pool.apply([] {});
    CHECK(pool.stats().completed >= 100);
}
