// Blocking verbs inside a pool's own work: however deep, on however few threads, they never deadlock.
#include "support.hpp"

#include <tandem/io/sleep.hpp>
#include <tandem/pool/co_spawn.hpp>
#include <tandem/pool/start_thread.hpp>
#include <tandem/pool/thread_pool.hpp>
#include <tandem/sync/one_shot_event.hpp>
#include <tandem/task/sync_wait.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <functional>
#include <numeric>
#include <vector>

using namespace tandem;
using namespace std::chrono_literals;

namespace {

int sum(const std::vector<int>& v) { return std::accumulate(v.begin(), v.end(), 0); }

// Each counts the leaves of a binary tree, with another verb for the branches.
int by_apply(thread_pool& pool, int depth)
{
    return depth == 0 ? 1 : pool.apply(by_apply, std::ref(pool), depth - 1) + pool.apply(by_apply, std::ref(pool), depth - 1);
}
int by_get(thread_pool& pool, int depth)
{
    if (depth == 0)
        return 1;
    async_result<int> left = pool.apply_async(by_get, args(std::ref(pool), depth - 1));
    async_result<int> right = pool.apply_async(by_get, args(std::ref(pool), depth - 1));
    return left.get() + right.get(); // the one that was queued first is asked first
}
int by_map(thread_pool& pool, int depth)
{
    return depth == 0 ? 1 : sum(pool.map([&](int) { return by_map(pool, depth - 1); }, std::vector{0, 1}, {.chunk = 1}));
}
int by_map_async(thread_pool& pool, int depth)
{
    return depth == 0 ? 1 : sum(pool.map_async([&](int) { return by_map_async(pool, depth - 1); }, std::vector{0, 1}).get());
}
int by_imap(thread_pool& pool, int depth)
{
    if (depth == 0)
        return 1;
    int n = 0;
    for (const int i : pool.imap([&](int) { return by_imap(pool, depth - 1); }, std::vector{0, 1}))
        n += i;
    return n;
}
task<int> by_coroutine(thread_pool& pool, int depth)
{
    if (depth == 0) {
        co_await sleep_for(0s);
        co_return 1;
    }
    // Blocks, where it should await.
    async_result<int> left = pool.apply_async(by_coroutine, args(std::ref(pool), depth - 1));
    const int right = pool.apply(by_coroutine, std::ref(pool), depth - 1);
    co_return left.get() + right;
}
int by_sync_wait(thread_pool& pool, int depth)
{
    if (depth == 0)
        return 1;
    const int left = sync_wait(pool, [&]() -> task<int> { co_return by_sync_wait(pool, depth - 1); });
    const int right = sync_wait([](thread_pool& p, int d) -> task<int> {
        co_return co_await p.apply_async(by_sync_wait, args(std::ref(p), d));
    }(pool, depth - 1));
    return left + right;
}
int by_all(thread_pool& pool, int depth)
{
    static constexpr auto verbs = {by_apply, by_get, by_map, by_map_async, by_imap, by_sync_wait};
    return depth == 0 ? 1
                      : sum(pool.map([&](auto verb) { return pool.apply_async(verb, args(std::ref(pool), depth)).get(); },
                            std::vector(verbs)));
}

} // namespace

TEST_CASE("every blocking verb inside itself")
{
    for (const std::size_t threads : {1, 2, 3}) {
        CAPTURE(threads);
        thread_pool pool{threads};
        CHECK(pool.apply(by_apply, std::ref(pool), 6) == 64);
        CHECK(pool.apply(by_get, std::ref(pool), 6) == 64);
        CHECK(pool.apply(by_map, std::ref(pool), 6) == 64);
        CHECK(pool.apply(by_map_async, std::ref(pool), 5) == 32);
        CHECK(pool.apply(by_imap, std::ref(pool), 5) == 32);
        CHECK(pool.apply(by_coroutine, std::ref(pool), 5) == 32);
        CHECK(pool.apply(by_sync_wait, std::ref(pool), 5) == 32);
        CHECK(pool.apply(by_all, std::ref(pool), 3) == 6 * 8);
    }
}

TEST_CASE("the same, begun on the calling thread")
{
    for (const std::size_t threads : {1, 2}) {
        CAPTURE(threads);
        thread_pool pool{threads};
        CHECK(by_map(pool, 6) == 64);
        CHECK(by_imap(pool, 4) == 16);
        CHECK(by_all(pool, 3) == 6 * 8);
    }
}

TEST_CASE("get inside a call inside a map")
{
    thread_pool pool{1};
    const std::vector<int> r =
        pool.map([&](int n) { return pool.apply_async([&, n] { return pool.apply_async([n] { return n; }).get() + 1; }).get(); },
            std::vector{1, 2, 3, 4});
    CHECK(r == std::vector{2, 3, 4, 5});
}

TEST_CASE("get of a coroutine that sleeps, on the only thread")
{
    thread_pool pool{1};
    const int n = pool.apply([&] {
        return pool
            .apply_async([]() -> task<int> {
                co_await sleep_for(1ms);
                co_return 5;
            })
            .get();
    });
    CHECK(n == 5);
}

TEST_CASE("wait_for on the only thread lets the call run")
{
    thread_pool pool{1};
    CHECK(pool.apply([&] {
        async_result<int> r = pool.apply_async([] { return 1; });
        async_result<int> later = pool.apply_async([] { return 2; }); // so that r is not the last
        return r.wait_for(1h) && r.get() == 1 && later.get_for(1h) == 2;
    }));
}

TEST_CASE("a call that waits for one behind it in the queue, and for its sibling's word")
{
    // Two calls on one thread, of which the first waits for the second by other means than the pool's.
    thread_pool pool{1};
    one_shot_event event;
    async_result<int> first = pool.apply_async([&] {
        event.wait();
        return 1;
    });
    async_result<int> second = pool.apply_async([&] {
        event.set();
        return 2;
    });
    CHECK(first.get() + second.get() == 3);
}

TEST_CASE("a worker waits for a thread of its own")
{
    thread_pool pool{1};
    CHECK(pool.apply([&] { return start_thread([&] { return pool.apply([] { return 7; }); }).get(); }) == 7);
}

TEST_CASE("a long chain, each waiting for the next")
{
    thread_pool pool{2};
    std::function<int(int)> chain = [&](int n) { return n == 0 ? 0 : pool.apply_async(std::ref(chain), args(n - 1)).get() + 1; };
    CHECK(pool.apply(std::ref(chain), 100) == 100);
}

TEST_CASE("many calls that each wait for one behind all of them")
{
    thread_pool pool{2};
    std::vector<async_result<int>> calls;
    for (int i = 0; i < 50; ++i)
        calls.push_back(pool.apply_async([&, i] {
            return pool
                .apply_async([i]() -> task<int> {
                    co_await sleep_for(0s);
                    co_return i;
                })
                .get();
        }));
    int total = 0;
    for (async_result<int>& c : calls)
        total += c.get();
    CHECK(total == 49 * 50 / 2);
}

TEST_CASE("a nested error comes out where it belongs")
{
    thread_pool pool{1};
    const auto nested = [&](int n) -> int {
        try {
            return sum(pool.map(
                [](int i) -> int {
                    if (i == 2)
                        throw std::out_of_range("two");
                    return i;
                },
                std::vector{n, n + 1}));
        }
        catch (const std::out_of_range&) {
            return -1;
        }
    };
    CHECK(pool.map(nested, std::vector{0, 1, 2, 3}) == std::vector{1, -1, -1, 7});
}
