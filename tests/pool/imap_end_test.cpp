// imap and imap_unordered: how they end, by an error, by being left, by the pool's end.
#include "ranges.hpp"
#include "support.hpp"

#include <tandem/io/sleep.hpp>
#include <tandem/pool/thread_pool.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <optional>
#include <ranges>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace tandem;
using namespace tandem::test;
using namespace std::chrono_literals;

// --- errors ------------------------------------------------------------------------------------------------------------------

TEST_CASE("what the range throws comes after the items read before it, and is the end")
{
    thread_pool pool{2};
    const auto until_five = [](int n) { return n == 5 ? throw std::runtime_error("unreadable") : n; };
    for (const std::size_t chunk : {1, 2, 3, 100}) {
        CAPTURE(chunk);
        auto results = pool.imap(square, std::views::iota(0, 10) | std::views::transform(until_five), {.chunk = chunk});
        for (int i = 0; i < 5; ++i)
            REQUIRE(results.next() == i * i);
        CHECK_THROWS_WITH_AS(results.next(), "unreadable", std::runtime_error);
        CHECK_FALSE(results.next());
        CHECK_FALSE(results.next());
    }
    auto unordered = pool.imap_unordered(square, std::views::iota(0, 10) | std::views::transform(until_five), {.chunk = 2});
    for (int i = 0; i < 5; ++i)
        CHECK(unordered.next());
    CHECK_THROWS_WITH_AS(unordered.next(), "unreadable", std::runtime_error);
    CHECK_FALSE(unordered.next());
}

TEST_CASE("every item's error comes out of its own next")
{
    thread_pool pool{2};
    int errors = 0;
    auto results = pool.imap_unordered([](int n) -> int { throw n; }, std::views::iota(0, 50), {.chunk = 4});
    for (int i = 0; i < 50; ++i)
        try {
            static_cast<void>(results.next());
        }
        catch (int) {
            ++errors;
        }
    CHECK(errors == 50);
    CHECK_FALSE(results.next());
}

// --- ways to stop ------------------------------------------------------------------------------------------------------------

TEST_CASE("dropping the results waits for what runs, and does not run the rest")
{
    test::gate begun;
    test::gate gate;
    std::atomic<int> ran{0};
    std::atomic<bool> dropped{false};
    bool ended_first = false;
    thread_pool pool{1};
    std::thread opener([&] {
        begun.pass();
        for (int i = 0; i < 100; ++i)
            std::this_thread::yield();
        CHECK_FALSE(dropped);
        gate.open();
    });
    {
        auto results = pool.imap(
            [&](int) {
                ++ran;
                begun.open();
                gate.pass();
                ended_first = true;
            },
            std::views::iota(0), {.window = 10});
        begun.pass();
    }
    dropped = true;
    CHECK(ended_first);
    opener.join();
    CHECK(ran >= 1);
}

TEST_CASE("dropping the results cancels sleeping coroutines")
{
    std::atomic<bool> asleep{false};
    thread_pool pool{1};
    {
        auto results = pool.imap(
            [&](int) -> task<void> {
                asleep = true;
                co_await sleep_for(24h);
            },
            std::views::iota(0), {.chunk = 3});
        test::wait_until(asleep);
    }
    CHECK(asleep);
}

TEST_CASE("an error that nobody took is not reported")
{
    test::error_log log;
    {
        thread_pool pool({.threads = 2, .unhandled = log.hook()});
        auto results = pool.imap([](int n) { return n == 0 ? n : throw std::runtime_error("never taken"); }, std::views::iota(0));
        CHECK(results.next() == 0);
    }
    CHECK(log.texts().empty());
}

TEST_CASE("close leaves an imap what it has read")
{
    thread_pool pool{1};
    auto results = pool.imap(square, std::views::iota(0, 100), {.window = 3});
    pool.close();
    CHECK(results.next() == 0);
    CHECK(results.next() == 1);
    CHECK(results.next() == 4);
    CHECK_THROWS_WITH_AS(results.next(), "imap: the pool 'pool' is closed", pool_closed);
    CHECK_FALSE(results.next());
}

TEST_CASE("terminate while a consumer waits")
{
    test::gate begun;
    test::gate gate;
    thread_pool pool{1};
    auto results = pool.imap(
        [&](int n) {
            begun.open();
            gate.pass();
            return n;
        },
        std::views::iota(0), {.window = 2});
    std::vector<std::string> log;
    std::thread consumer([&] {
        for (;;)
            try {
                const std::optional<int> r = results.next();
                if (!r)
                    return;
                log.push_back(std::to_string(*r));
            }
            catch (...) {
                log.push_back(test::type_of(std::current_exception()));
            }
    });
    begun.pass();
    pool.terminate();
    gate.open();
    consumer.join();
    CHECK(log == std::vector<std::string>{"0", "operation_cancelled", "pool_closed"});
}

TEST_CASE("a window that is no multiple of the chunk is not exceeded")
{
    thread_pool pool{2};
    int read = 0;
    auto results = pool.imap(square, std::views::iota(0) | std::views::transform([&](int n) {
        ++read;
        return n;
    }),
        {.chunk = 3, .window = 7});
    CHECK(read == 6);
    for (int i = 0; i < 30; ++i) {
        CHECK(results.next() == i * i);
        CHECK(read <= i + 1 + 7);
    }
}
