// Everybody at once. The sanitizers judge these as much as the checks do.
#include "support.hpp"

#include <tandem/io/sleep.hpp>
#include <tandem/pool/co_spawn.hpp>
#include <tandem/pool/start_thread.hpp>
#include <tandem/pool/thread_pool.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <optional>
#include <ranges>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace tandem;
using namespace tandem::test;
using namespace std::chrono_literals;

namespace {

// Sized so that each case takes a second or so on two cores when instrumented, too.
#if TANDEM_TSAN || TANDEM_ASAN || !defined(__OPTIMIZE__)
constexpr int scale = 1;
#else
constexpr int scale = 4;
#endif

template <class F>
void on_threads(int n, F f)
{
    std::vector<std::thread> threads;
    for (int i = 0; i < n; ++i)
        threads.emplace_back(f, i);
    for (std::thread& t : threads)
        t.join();
}

} // namespace

TEST_CASE("stress: eight threads submit small calls while others map")
{
    constexpr int calls = 5'000 * scale;
    std::atomic<long> wrong{0};
    std::atomic<int> submitting{8};
    thread_pool pool{3};
    on_threads(10, [&](int self) {
        if (self < 8) {
            std::vector<async_result<int>> batch;
            for (int i = 0; i < calls; ++i) {
                batch.push_back(pool.apply_async(square, args(i)));
                if (batch.size() == 100) {
                    for (int k = 0; k < 100; ++k)
                        if (batch[static_cast<std::size_t>(k)].get() != square(i - 99 + k))
                            ++wrong;
                    batch.clear();
                }
            }
            --submitting;
        }
        else
            while (submitting > 0) {
                const std::vector<int> r = pool.map(square, std::views::iota(0, 1000));
                for (int i = 0; i < 1000; ++i)
                    if (r[static_cast<std::size_t>(i)] != square(i))
                        ++wrong;
            }
    });
    CHECK(wrong == 0);
    pool.close();
    pool.join();
    CHECK(pool.stats().submitted >= 8 * calls);
    CHECK(pool.stats().pending == 0);
}

TEST_CASE("stress: handles dropped, taken, cancelled, waited for with a time, awaited")
{
    std::atomic<int> callbacks{0};
    std::atomic<long> wrong{0};
    constexpr int calls = 1'000 * scale;
    {
        thread_pool pool{2};
        on_threads(4, [&](int) {
            for (int i = 0; i < calls; ++i) {
                async_result<int> r =
                    pool.apply_async(square, args(i), [&](int) { ++callbacks; }, [&](std::exception_ptr) { ++callbacks; });
                switch (i % 6) {
                case 0:
                    break; // dropped
                case 1:
                    wrong += r.get() != square(i);
                    break;
                case 2:
                    r.cancel();
                    try {
                        wrong += r.get() != square(i);
                    }
                    catch (const operation_cancelled&) {
                    }
                    break;
                case 3:
                    static_cast<void>(r.wait_for(std::chrono::microseconds(i % 50)));
                    break;
                case 4:
                    wrong += sync_wait(std::move(r)) != square(i);
                    break;
                case 5:
                    wrong += co_spawn(pool, std::move(r)).get() != square(i);
                    break;
                }
            }
        });
    }
    CHECK(wrong == 0);
    CHECK(callbacks == 4 * calls); // each call's, once
}

TEST_CASE("stress: coroutines sleep, and are woken, cancelled and terminated")
{
    for (int round = 0; round < 5 * scale; ++round) {
        std::atomic<int> begun{0};
        std::atomic<int> ended{0};
        std::vector<async_result<int>> handles;
        {
            thread_pool pool{3};
            for (int i = 0; i < 200; ++i) {
                handles.push_back(pool.apply_async([&, i]() -> task<int> {
                    ++begun;
                    struct at_end {
                        ~at_end() { ++ended; }
                        std::atomic<int>& ended;
                    } const guard{ended};
                    co_await sleep_for(std::chrono::microseconds(i % 5 == 0 ? 100'000'000 : 10 * i));
                    co_return i;
                }));
                if (i % 5 == 0 && i % 10 == 0)
                    handles.back().cancel();
            }
            pool.terminate();
        }
        CHECK(begun == ended);
        int values = 0;
        int errors = 0;
        for (async_result<int>& r : handles)
            try {
                static_cast<void>(r.get());
                ++values;
            }
            catch (const operation_cancelled&) {
                ++errors;
            }
        CHECK(values + errors == 200);
        CHECK(errors >= 40);
    }
}

TEST_CASE("stress: pools are closed and terminated while threads submit to them")
{
    for (int round = 0; round < 30 * scale; ++round) {
        std::atomic<int> accepted{0};
        std::atomic<int> ran{0};
        std::atomic<int> refused{0};
        {
            std::optional<thread_pool> pool;
            pool.emplace(thread_pool_options{.threads = 2, .queue_limit = round % 3 == 0 ? std::size_t{4} : std::size_t{0}});
            on_threads(4, [&](int self) {
                if (self == 3) {
                    for (int i = 0; i < round % 8; ++i)
                        std::this_thread::yield();
                    if (round % 2 == 0)
                        pool->close();
                    else
                        pool->terminate();
                    pool->join();
                    return;
                }
                try {
                    for (;;) {
                        if (self == 0) {
                            static_cast<void>(pool->apply_async([&] { ++ran; }, {}, [] {}, [&](std::exception_ptr) { ++ran; }));
                            ++accepted;
                        }
                        else if (self == 1) {
                            const async_result<std::vector<int>> r = pool->map_async(square, std::views::iota(0, 50));
                            r.wait();
                            static_cast<void>(r.successful());
                        }
                        else
                            pool->map([](int) {}, std::views::iota(0, 50));
                    }
                }
                catch (const pool_closed&) {
                    ++refused;
                }
                catch (const operation_cancelled&) { // the map under way
                    ++refused;
                }
            });
        }
        CHECK(refused == 3);
        CHECK(ran == accepted);
    }
}

TEST_CASE("stress: imaps beside each other, some left half way")
{
    thread_pool pool{2};
    std::atomic<long> wrong{0};
    on_threads(4, [&](int self) {
        for (int round = 0; round < 20 * scale; ++round) {
            const imap_options o{
                .chunk = static_cast<std::size_t>(round % 4 + 1), .window = static_cast<std::size_t>(round % 3 * 10 + 10)};
            auto results =
                self % 2 == 0 ? pool.imap(square, std::views::iota(0), o) : pool.imap_unordered(square, std::views::iota(0), o);
            for (int i = 0; i < 100; ++i) {
                const std::optional<int> r = results.next();
                if (!r || (self % 2 == 0 && *r != square(i)))
                    ++wrong;
            }
        }
    });
    CHECK(wrong == 0);
}

TEST_CASE("stress: nested blocking from many sides, with timers between")
{
    thread_pool pool{2};
    std::atomic<long> sum{0};
    on_threads(3, [&](int) {
        for (int round = 0; round < 20 * scale; ++round)
            sum += pool.map(
                           [&](int n) {
                               const int a = pool.apply_async([n]() -> task<int> {
                                                     co_await sleep_for(0s);
                                                     co_return n;
                                                 })
                                                 .get();
                               const std::vector<int> b = pool.map(square, std::views::iota(0, n));
                               return a + static_cast<int>(b.size());
                           },
                           std::views::iota(0, 10))
                       .back();
    });
    CHECK(sum == 3L * 20 * scale * 18);
}

TEST_CASE("stress: threads of their own start and end on all sides")
{
    std::atomic<long> sum{0};
    on_threads(4, [&](int) {
        for (int i = 0; i < 30 * scale; ++i) {
            async_result<int> r = start_thread(square, args(i));
            if (i % 3 != 0)
                sum += r.get() == square(i);
        }
    });
    CHECK(sum == 4L * 20 * scale);
}
