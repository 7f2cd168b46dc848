// The pool itself: how it is made, what its threads are, what else runs on them.
#include "support.hpp"

#include <tandem/io/executor.hpp>
#include <tandem/io/sleep.hpp>
#include <tandem/pool/thread_pool.hpp>

#include <asio/post.hpp>
#include <asio/steady_timer.hpp>

#include <doctest/doctest.h>

#include <pthread.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace tandem;
using namespace std::chrono_literals;

namespace {

std::string thread_name()
{
    char name[16] = {};
    ::pthread_getname_np(::pthread_self(), name, sizeof name);
    return name;
}

thread_local int initialised = 0;

} // namespace

TEST_CASE("a pool has the threads that it was asked for")
{
    CHECK(thread_pool{1}.size() == 1);
    CHECK(thread_pool{3}.size() == 3);
    CHECK(thread_pool(thread_pool_options{.threads = 5}).size() == 5);
    CHECK(thread_pool{}.size() == default_thread_count());
    CHECK(thread_pool(thread_pool_options{.name = "x"}).size() == default_thread_count());
    CHECK(default_thread_count() >= 1);
    CHECK_THROWS_WITH_AS(thread_pool{static_cast<std::size_t>(-3)}, "thread_pool: threads must be between 1 and 1024, not -3",
        std::invalid_argument);
    CHECK_THROWS_WITH_AS(thread_pool{1025}, "thread_pool: threads must be between 1 and 1024, not 1025", std::invalid_argument);
}

TEST_CASE("more threads than cores, and each can hold a call")
{
    const std::size_t n = default_thread_count() * 4;
    std::atomic<std::size_t> inside{0};
    test::gate gate;
    thread_pool pool{n};
    std::vector<async_result<void>> calls;
    for (std::size_t i = 0; i < n; ++i)
        calls.push_back(pool.apply_async([&] {
            if (++inside == n)
                gate.open(); // all are inside at once
            gate.pass();
        }));
    for (async_result<void>& c : calls)
        c.get();
    CHECK(inside == n);
}

TEST_CASE("the threads carry the pool's name")
{
    thread_pool pool(thread_pool_options{.threads = 1, .name = "cpu"});
    CHECK(pool.apply(thread_name) == "cpu-0");
    thread_pool unnamed{1};
    CHECK(unnamed.apply(thread_name) == "pool-0");
    thread_pool long_name(thread_pool_options{.threads = 1, .name = "a name longer than the system allows"});
    CHECK(long_name.apply(thread_name) == "a name lon-0");
}

TEST_CASE("the initializer runs once on each thread, before its work")
{
    std::atomic<int> runs{0};
    std::mutex m;
    std::set<std::thread::id> ids;
    thread_pool pool({.threads = 3, .initializer = [&] {
                          ++runs;
                          ++initialised;
                          const std::lock_guard lock(m);
                          ids.insert(std::this_thread::get_id());
                      }});
    CHECK(runs == 3); // before the constructor returns
    CHECK(ids.size() == 3);
    for (const int seen : pool.map([](int) { return initialised; }, std::vector<int>(1000)))
        REQUIRE(seen == 1); // also: the calling thread, which was not initialised, took no part
    CHECK(pool.apply([] { return initialised; }) == 1);
    CHECK(runs == 3);
}

TEST_CASE("an initializer that throws makes the constructor throw the same")
{
    SUBCASE("on every thread")
    {
        CHECK_THROWS_WITH_AS(thread_pool({.threads = 4, .initializer = [] { throw std::out_of_range("no licence"); }}),
            "no licence", std::out_of_range);
    }
    SUBCASE("on one of them")
    {
        std::atomic<int> runs{0};
        const auto third_fails = [&] {
            if (++runs == 3)
                throw std::runtime_error("the third");
        };
        CHECK_THROWS_WITH_AS(thread_pool({.threads = 4, .initializer = third_fails}), "the third", std::runtime_error);
        CHECK(runs == 4);
    }
    SUBCASE("of a pool of one")
    {
        CHECK_THROWS_AS(thread_pool({.threads = 1, .initializer = [] { throw 1; }}), int);
    }
}

TEST_CASE("a pool counts its calls")
{
    test::gate gate;
    thread_pool pool{1};
    pool_stats s = pool.stats();
    CHECK(s.threads == 1);
    CHECK(s.submitted == 0);
    CHECK(s.pending == 0);

    async_result<void> held = pool.apply_async([&] { gate.pass(); });
    async_result<void> queued = pool.apply_async([] {});
    s = pool.stats();
    CHECK(s.submitted == 2);
    CHECK(s.completed == 0);
    CHECK(s.pending == 2);

    gate.open();
    pool.map([](int) {}, std::vector<int>(100));
    CHECK_THROWS(pool.apply([] { throw 1; }));
    pool.close();
    CHECK_THROWS_AS(pool.apply([] {}), pool_closed);
    pool.join();
    s = pool.stats();
    CHECK(s.submitted - 1 == 4); // the call that was refused came and went
    CHECK(s.completed == s.submitted);
    CHECK(s.pending == 0);
}

TEST_CASE("Asio work on the pool's context runs on its threads, and join waits for it")
{
    bool fired = false;
    bool posted = false;
    std::optional<asio::steady_timer> timer;
    {
        thread_pool pool(thread_pool_options{.threads = 1, .name = "io"});
        timer.emplace(pool.context(), 1ms);
        timer->async_wait([&](const asio::error_code& ec) { fired = !ec && thread_name() == "io-0"; });
        asio::post(pool.context(), [&] { posted = pool.apply(thread_name) == "io-0"; }); // inside the pool
        pool.close();
        pool.join();
        CHECK(fired);
        CHECK(posted);
        timer.reset();
    }
}

TEST_CASE("two pools use each other")
{
    thread_pool a{1};
    thread_pool b{1};
    const int n = a.apply([&] { return b.apply([&] { return a.apply([&] { return b.apply([] { return 5; }); }); }); });
    CHECK(n == 5);
    const std::vector<int> v =
        a.map([&](int i) { return b.map([&](int k) { return a.apply([k] { return k; }); }, std::vector{i, i})[1]; },
            std::vector{1, 2, 3});
    CHECK(v == std::vector{1, 2, 3});
}

TEST_CASE("pools come and go")
{
    for (int i = 0; i < 50; ++i) {
        thread_pool pool{3};
        async_result<int> r = pool.apply_async([i] { return i; });
        if (i % 2 == 0)
            CHECK(r.get() == i);
        if (i % 3 == 0)
            pool.terminate();
    }
}
