#include "support.hpp"

#include <tandem/io/sleep.hpp>
#include <tandem/pool/start_thread.hpp>
#include <tandem/task/sync_wait.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace tandem;
using namespace std::chrono_literals;

TEST_CASE("start_thread runs a function on a thread of its own")
{
    async_result<int> sum = start_thread([](int a, int b) { return a + b; }, args(1, 2));
    async_result<std::thread::id> id = start_thread([] { return std::this_thread::get_id(); });
    async_result<void> nothing = start_thread([] {});
    CHECK(sum.get() == 3);
    CHECK(id.get() != std::this_thread::get_id());
    nothing.get();
}

TEST_CASE("arguments of every kind")
{
    int n = 1;
    start_thread([](int& i) { i = 2; }, args(std::ref(n))).get();
    CHECK(n == 2);
    CHECK(*start_thread([](std::unique_ptr<int> p) { return p; }, args(std::make_unique<int>(3))).get() == 3);
    CHECK(start_thread(&std::string::size, args(std::string("abc"))).get() == 3);
    CHECK(start_thread([p = std::make_unique<int>(4)] { return *p; }).get() == 4);
}

TEST_CASE("what it throws comes out of get")
{
    async_result<int> r = start_thread([]() -> int { throw std::out_of_range("far"); });
    CHECK_THROWS_WITH_AS(r.get(), "far", std::out_of_range);
    CHECK_THROWS_WITH_AS(start_thread(std::function<void()>{}), "start_thread: the function is empty", std::invalid_argument);
}

TEST_CASE("callbacks run on that thread, before the handle is ready")
{
    std::thread::id there;
    std::thread::id in_callback;
    const auto function = [&] { there = std::this_thread::get_id(); };
    start_thread(function, {}, [&] { in_callback = std::this_thread::get_id(); }).get();
    CHECK(there != std::thread::id{});
    CHECK(there == in_callback);

    int value = 0;
    CHECK(start_thread([] { return 5; }, {}, [&](int v) { value = v; }).get() == 5);
    CHECK(value == 5);

    std::string error;
    async_result<int> r = start_thread([]() -> int { throw std::runtime_error("bad"); }, {}, [&](int v) { value = v; },
        [&](std::exception_ptr e) { error = test::text_of(e); });
    CHECK_THROWS(r.get());
    CHECK(value == 5);
    CHECK(error == "bad");
}

TEST_CASE("a coroutine function runs all its steps on that thread")
{
    async_result<bool> r = start_thread(
        [](std::string s) -> task<bool> {
            const std::thread::id here = std::this_thread::get_id();
            co_await sleep_for(1ms);
            const bool same = here == std::this_thread::get_id();
            async_result<int> other = start_thread([] { return 1; });
            co_return same&& co_await other == 1 && here == std::this_thread::get_id() && s == "kept";
        },
        args(std::string("kept")));
    CHECK(r.get());
}

TEST_CASE("waiting on that thread for what only it can make")
{
    async_result<std::string> r = start_thread([]() -> task<std::string> {
        // A task spawned on this thread's own loop could never run while the thread blocks.
        co_await sleep_for(0s);
        co_return "done";
    });
    CHECK(r.get_for(1h) == "done");
}

TEST_CASE("a coroutine on a thread of its own is cancelled")
{
    std::atomic<bool> asleep{false};
    async_result<int> r = start_thread([&]() -> task<int> {
        asleep = true;
        co_await sleep_for(24h);
        co_return 1;
    });
    test::wait_until(asleep);
    r.cancel();
    CHECK_THROWS_AS(r.get(), operation_cancelled);
}

TEST_CASE("a dropped handle detaches")
{
    test::gate gate;
    test::gate ended;
    std::atomic<int> ran{0};
    static_cast<void>(start_thread(
        [&] {
            gate.pass();
            ++ran;
        },
        {}, [&] { ended.open(); }));
    CHECK(ran == 0);
    gate.open();
    ended.pass();
    CHECK(ran == 1);
}

TEST_CASE("a dropped thread that runs into the end of the program is waited for")
{
    // Nothing to check here: the sanitizers see it, were the thread to run on while statics are destroyed.
    static_cast<void>(start_thread([] { std::this_thread::sleep_for(20ms); }));
}

TEST_CASE("a handle is awaited by a coroutine")
{
    const auto both = []() -> task<int> {
        async_result<int> a = start_thread([] { return 1; });
        co_return co_await start_thread([] { return 2; }) + co_await a;
    };
    CHECK(sync_wait(both()) == 3);
}

TEST_CASE("many threads, whose handles are dropped or kept")
{
    std::atomic<int> ran{0};
    std::vector<async_result<void>> kept;
    for (int i = 0; i < 100; ++i) {
        async_result<void> r = start_thread([&] { ++ran; });
        if (i % 2 == 0)
            kept.push_back(std::move(r));
        else
            r.wait();
    }
    for (async_result<void>& r : kept)
        r.get();
    CHECK(ran == 100);
}

TEST_CASE("the function, its arguments and the callback are gone when the result is there")
{
    for (int i = 0; i < 20; ++i) {
        const auto watched = std::make_shared<int>(1);
        async_result<int> r = start_thread([watched](const std::shared_ptr<int>&) { return 1; }, args(watched), [watched](int) {});
        r.wait();
        REQUIRE(watched.use_count() == 1);
    }
}
