#include "support/threads.hpp"

#include <tandem/combine/when_all.hpp>
#include <tandem/combine/with_timeout.hpp>
#include <tandem/io/blocking.hpp>
#include <tandem/io/co_spawn.hpp>
#include <tandem/pool/co_spawn.hpp>
#include <tandem/task/sync_wait.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace tandem;
using namespace tandem::test;
using namespace std::chrono_literals;

namespace {

/// What a call may wait at.
class gate {
public:
    void open()
    {
        const std::lock_guard lock(m_);
        open_ = true;
        changed_.notify_all();
    }
    void pass()
    {
        std::unique_lock lock(m_);
        changed_.wait(lock, [this] { return open_; });
    }

private:
    std::mutex m_;
    std::condition_variable changed_;
    bool open_ = false;
};

} // namespace

TEST_CASE("a blocking call runs on another thread, and the task goes on on its own context")
{
    const auto here = std::this_thread::get_id();
    std::thread::id there;
    std::thread::id after;
    const auto calls = [&]() -> task<std::string> {
        auto text = co_await blocking([&] {
            there = std::this_thread::get_id();
            return std::string("read");
        });
        after = std::this_thread::get_id();
        co_return text;
    };
    CHECK(sync_wait(calls()) == "read");
    CHECK(there != here);
    CHECK(after == here);
}

TEST_CASE("results of all kinds, and exceptions as they were thrown")
{
    int x = 1;
    const auto calls = [&]() -> task<> {
        co_await blocking([&] { x = 2; });
        auto p = co_await blocking([] { return std::make_unique<int>(3); });
        CHECK(*p == 3);
        int& r = co_await blocking([&]() -> int& { return x; });
        CHECK(&r == &x);
        co_await blocking([] { throw std::out_of_range("it was"); });
    };
    CHECK_THROWS_WITH_AS(sync_wait(calls()), "it was", std::out_of_range);
    CHECK(x == 2);
}

TEST_CASE("a worker of a pool is free while its task is in a blocking call")
{
    thread_pool pool{1};
    gate g;
    auto blocked = co_spawn(pool, blocking([&] { g.pass(); }));
    CHECK(pool.apply([] { return 5; }) == 5);
    g.open();
    blocked.get();
}

TEST_CASE("as many threads as calls, up to the limit, and none when they have been idle")
{
    CHECK_THROWS_WITH_AS(
        blocking_threads({.limit = 0}), "blocking_threads: limit must be at least 1, not 0", std::invalid_argument);
    blocking_threads threads({.limit = 3, .idle = 1ms});
    CHECK(threads.size() == 0);
    thread_pool pool{2};
    gate g;
    std::atomic<int> inside{0};
    std::atomic<int> most{0};
    std::vector<async_result<void>> all;
    for (int k = 0; k < 10; ++k)
        all.push_back(co_spawn(pool, threads.run([&] {
            const int n = ++inside;
            int m = most;
            while (n > m && !most.compare_exchange_weak(m, n)) {}
            g.pass();
            --inside;
        })));
    CHECK(eventually([&] { return inside == 3; }));
    CHECK(threads.size() == 3);
    g.open();
    for (auto& r : all)
        r.get();
    CHECK(most == 3);
    CHECK(eventually([&] { return threads.size() == 0; }));
}

TEST_CASE("a call that waits for a thread can be stopped; one that has begun is waited for")
{
    blocking_threads threads({.limit = 1});
    thread_pool pool{2};
    gate g;
    std::atomic<bool> begun{false};
    auto first = co_spawn(pool, threads.run([&] {
        begun = true;
        g.pass();
        return 1;
    }));
    CHECK(eventually([&] { return begun.load(); }));
    bool called = false;
    auto second = co_spawn(pool, threads.run([&] { called = true; }));
    second.cancel();
    CHECK_THROWS_AS(second.get(), operation_cancelled);
    first.cancel();
    CHECK_FALSE(first.wait_for(5ms));
    g.open();
    CHECK(first.get() == 1);
    CHECK_FALSE(called);
}

TEST_CASE("many calls and stops from many threads: each ends once")
{
    constexpr int rounds = scaled(6000, 2000, 1500);
    blocking_threads threads({.limit = 4, .idle = 100us});
    thread_pool pool{3};
    std::atomic<int> called{0};
    on_each_of(3, [&](int thread) {
        jitter j(static_cast<unsigned>(thread));
        int ended = 0;
        for (int k = 0; k < rounds / 3; ++k) {
            auto r = co_spawn(pool, threads.run([&] { ++called; }));
            j.spin(60'000);
            r.cancel();
            try {
                r.get();
                ++ended;
            }
            catch (const operation_cancelled&) {
                ++ended;
            }
        }
        CHECK(ended == rounds / 3);
    });
    CHECK(called <= rounds);
}
