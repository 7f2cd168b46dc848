#include "support/manual_context.hpp"
#include "support/threads.hpp"
#include "support/tracked.hpp"

#include <tandem/combine/task_scope.hpp>
#include <tandem/pool/co_spawn.hpp>
#include <tandem/sync/one_shot_event.hpp>
#include <tandem/sync/sleep.hpp>
#include <tandem/trace/observer.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <string>
#include <vector>

using namespace tandem;
using namespace tandem::test;
using namespace std::chrono_literals;

namespace {

task<> notes_after(std::chrono::nanoseconds d, std::vector<int>& order, int n)
{
    co_await sleep_for(d);
    order.push_back(n);
}

task<> fails_after(std::chrono::nanoseconds d, const char* what)
{
    co_await sleep_for(d);
    throw std::runtime_error(what);
}

task<> notes_stop(bool& stopped)
{
    try {
        co_await sleep_for(1h);
    }
    catch (const operation_cancelled&) {
        stopped = true;
        throw;
    }
}

} // namespace

TASK_TEST_CASE("a scope gives what its body returns, when all that was spawned has ended")
{
    std::vector<int> order;
    const int n = co_await with_scope([&](task_scope& s) -> task<int> {
        s.spawn(notes_after(3s, order, 3));
        s.spawn(notes_after(1s, order, 1));
        s.spawn(sleep_for(2s)); // anything that can be awaited
        CHECK(s.size() == 3);
        order.push_back(0);
        co_return 7;
    });
    CHECK(n == 7);
    CHECK(order == std::vector{0, 1, 3});
    CHECK(manual.now() == 3s);
}

TASK_TEST_CASE("a task of the scope may spawn others, and a function is kept until its coroutine has ended")
{
    std::vector<int> order;
    co_await with_scope([&](task_scope& s) -> task<> {
        s.spawn([&s, &order, big = std::vector{1, 2, 3}]() -> task<> {
            co_await sleep_for(1s);
            for (const int n : big)
                s.spawn(notes_after(n * 1s, order, n));
        });
        co_return;
    });
    CHECK(order == std::vector{1, 2, 3});
}

TEST_CASE("the first error stops the body and the others, and is rethrown as it was thrown when they have ended")
{
    manual_context manual;
    bool body_stopped = false;
    bool other_stopped = false;
    const auto scope = [](bool& body, bool& other) -> task<> {
        co_await with_scope([&](task_scope& s) -> task<> {
            s.spawn(notes_stop(other));
            s.spawn(fails_after(1s, "first"));
            s.spawn(fails_after(1h, "never"));
            co_await notes_stop(body);
        });
    };
    CHECK_THROWS_WITH_AS(manual.run(scope(body_stopped, other_stopped)), "first", std::runtime_error);
    CHECK(body_stopped);
    CHECK(other_stopped);
    CHECK(manual.now() == 1s);
}

TEST_CASE("a body that throws stops what it spawned")
{
    manual_context manual;
    bool stopped = false;
    const auto scope = [](bool& other) -> task<> {
        co_await with_scope([&](task_scope& s) -> task<> {
            s.spawn(notes_stop(other));
            co_await sleep_for(1s);
            throw std::logic_error("the body");
        });
    };
    CHECK_THROWS_WITH_AS(manual.run(scope(stopped)), "the body", std::logic_error);
    CHECK(stopped);
}

TASK_TEST_CASE("cancel ends the tasks, which is no error, and lets nothing new begin")
{
    bool stopped = false;
    bool begun = false;
    co_await with_scope([&](task_scope& s) -> task<> {
        s.spawn(notes_stop(stopped));
        co_await yield();
        s.cancel();
        s.spawn([](bool& b) -> task<> {
            b = true;
            co_return;
        }(begun));
        co_return;
    });
    CHECK(stopped);
    CHECK_FALSE(begun);
    CHECK(manual.now() == 0s);
}

TEST_CASE("a stop request from above reaches all, and comes out as operation_cancelled")
{
    manual_context manual;
    stop_source stop;
    bool stopped = false;
    const auto scope = [](stop_source& above, bool& other) -> task<> {
        co_await with_scope([&](task_scope& s) -> task<> {
            s.spawn(notes_stop(other));
            co_await sleep_for(1s);
            above.request_stop(); // and the body ends without having noticed
        });
    };
    CHECK_THROWS_AS(manual.run(scope(stop, stopped), stop.get_token()), operation_cancelled);
    CHECK(stopped);
}

TASK_TEST_CASE("later errors are counted")
{
    const auto before = superseded_errors();
    bool caught = false;
    try {
        co_await with_scope([&](task_scope& s) -> task<> {
            s.spawn([]() -> task<> {
                bool stopped = false;
                try {
                    co_await sleep_for(1h);
                }
                catch (const operation_cancelled&) {
                    stopped = true;
                }
                if (stopped)
                    throw std::runtime_error("second");
            });
            s.spawn(fails_after(1s, "first"));
            co_return;
        });
    }
    catch (const std::runtime_error& e) {
        caught = std::string(e.what()) == "first";
    }
    CHECK(caught);
    CHECK(superseded_errors() == before + 1);
}

TEST_CASE("a scope that can never finish is found out, and destroyed with all that it holds")
{
    tally t;
    manual_context manual;
    one_shot_event never;
    one_shot_event never_either;
    const auto waits = [](tally& counts, one_shot_event& e) -> task<> {
        const tracked kept(counts);
        co_await e;
    };
    const auto scope = [&]() -> task<> {
        co_await with_scope([&](task_scope& s) -> task<> {
            s.spawn(waits(t, never));
            s.spawn(sleep_for(1s));
            co_await waits(t, never_either);
        });
    };
    CHECK_THROWS_AS(manual.run(scope()), stuck);
    CHECK(t.alive == 0);
}

TEST_CASE("a body that is no coroutine, and throws after it has spawned: what it spawned is stopped and waited for")
{
    tally t;
    const auto waits = [](tally& counts) -> task<> {
        const tracked kept(counts);
        co_await sleep_for(1h);
    };
    const auto body = [&](task_scope& s) -> task<> {
        s.spawn(waits(t));
        s.spawn(waits(t));
        throw std::runtime_error("no body");
    };
    static_assert(std::is_same_v<decltype(body(std::declval<task_scope&>())), task<>>);
    manual_context manual;
    CHECK_THROWS_WITH_AS(manual.run(with_scope(body)), "no body", std::runtime_error);
    CHECK(t.alive == 0);
    thread_pool pool{2};
    for (int k = 0; k < 200; ++k)
        CHECK_THROWS_WITH_AS(sync_wait(pool, with_scope(body)), "no body", std::runtime_error);
    CHECK(t.alive == 0);
}

TEST_CASE("a function that throws before it gives a task is an error of the scope")
{
    manual_context manual;
    const auto scope = []() -> task<> {
        co_await with_scope([](task_scope& s) -> task<> {
            s.spawn([]() -> task<> { throw std::runtime_error("no task"); });
            co_return;
        });
    };
    CHECK_THROWS_WITH_AS(manual.run(scope()), "no task", std::runtime_error);
}

TEST_CASE("many scopes on many threads, with errors, spawns from everywhere, and cancels")
{
    thread_pool pool{4};
    std::atomic<int> alive{0};
    std::atomic<int> errors{0};
    struct life {
        explicit life(std::atomic<int>& c) : count(c) { ++count; }
        ~life() { --count; }
        std::atomic<int>& count;
    };
    const auto leaf = [](std::atomic<int>& a, int n) -> task<> {
        const life here(a);
        if (n % 4 == 0)
            co_await yield();
        if (n % 4 == 1)
            co_await sleep_for(std::chrono::microseconds(n % 11));
        if (n % 29 == 0)
            throw std::runtime_error("leaf");
    };
    const auto laps = [&leaf](std::atomic<int>& a, std::atomic<int>& e, int rounds) -> task<> {
        for (int k = 0; k < rounds; ++k) {
            bool failed = false;
            try {
                co_await with_scope([&](task_scope& s) -> task<> {
                    for (int n = 0; n < 4; ++n)
                        s.spawn(leaf(a, 4 * k + n));
                    s.spawn([&s, &a, &leaf, k]() -> task<> {
                        const life here(a);
                        s.spawn(leaf(a, k));
                        co_await yield();
                        if (k % 7 == 0)
                            s.cancel();
                        s.spawn(leaf(a, k + 1));
                    });
                    co_return;
                });
            }
            catch (const std::runtime_error&) {
                failed = true;
            }
            e += failed;
        }
    };
    constexpr int rounds = scaled(2000, 700, 300);
    std::vector<async_result<void>> all;
    for (int k = 0; k < 8; ++k)
        all.push_back(co_spawn(pool, laps(alive, errors, rounds)));
    for (auto& r : all)
        r.get();
    CHECK(alive == 0);
    CHECK(errors > 0);
}
