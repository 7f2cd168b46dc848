#include "support/manual_context.hpp"
#include "support/threads.hpp"
#include "support/tracked.hpp"

#include <tandem/combine/race.hpp>
#include <tandem/combine/when_all.hpp>
#include <tandem/pool/co_spawn.hpp>
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

task<int> number_after(std::chrono::nanoseconds d, int n)
{
    co_await sleep_for(d);
    co_return n;
}

task<std::string> word_after(std::chrono::nanoseconds d, std::string w)
{
    co_await sleep_for(d);
    co_return w;
}

task<int> fails_after(std::chrono::nanoseconds d, const char* what)
{
    co_await sleep_for(d);
    throw std::runtime_error(what);
}

// Takes its time even when it is asked to stop.
task<int> lingers(std::chrono::nanoseconds d, bool& ended)
{
    try {
        co_await sleep_for(1h);
    }
    catch (const operation_cancelled&) {
    }
    for (int k = 0; k < 3; ++k)
        co_await yield();
    ended = true;
    co_return static_cast<int>(d.count());
}

task<int> fails_when_stopped(const char* what)
{
    bool stopped = false;
    try {
        co_await sleep_for(1h);
    }
    catch (const operation_cancelled&) {
        stopped = true;
    }
    if (stopped)
        throw std::runtime_error(what);
    co_return 0;
}

struct counting_observer : observer {
    void error_superseded(const std::exception_ptr& e) noexcept override
    {
        try {
            std::rethrow_exception(e);
        }
        catch (const std::exception& x) {
            seen.emplace_back(x.what());
        }
    }
    std::vector<std::string> seen;
};

} // namespace

TASK_TEST_CASE("the first to end wins a race, and the losers have ended by then")
{
    bool ended = false;
    auto r = race(lingers(1h, ended), word_after(1s, "fast"), number_after(2s, 3));
    const auto v = co_await std::move(r);
    CHECK(v.index() == 1);
    CHECK(std::get<1>(v) == "fast");
    CHECK(ended);
    CHECK(manual.now() == 1s);
}

TASK_TEST_CASE("a race may be won by an error")
{
    std::string what;
    try {
        auto r = race(number_after(2s, 1), fails_after(1s, "broke"));
        co_await std::move(r);
    }
    catch (const std::runtime_error& e) {
        what = e.what();
    }
    CHECK(what == "broke");
    CHECK(manual.now() == 1s);
}

TASK_TEST_CASE("a race of nothing but void, and of one")
{
    auto naps = race(sleep_for(2s), sleep_for(1s));
    const auto which = co_await std::move(naps);
    CHECK(which.index() == 1);
    auto alone = race(number_after(1s, 7));
    const auto one = co_await std::move(alone);
    CHECK(std::get<0>(one) == 7);
}

TASK_TEST_CASE("a range races too, and says who won")
{
    std::vector<task<int>> runners;
    for (int k = 0; k < 5; ++k)
        runners.push_back(number_after((5 - k) * 1s, k * 10));
    const auto w = co_await race(std::move(runners));
    CHECK(w.index == 4);
    CHECK(w.value == 40);
    std::vector<task<>> naps;
    for (int k = 0; k < 3; ++k)
        naps.push_back([](int n) -> task<> { co_await sleep_for(n == 1 ? 1s : 1h); }(k));
    const winner<void> first = co_await race(std::move(naps));
    CHECK(first.index == 1);
}

TASK_TEST_CASE("references race as well")
{
    int a = 1;
    int b = 2;
    const auto refers_after = [](std::chrono::nanoseconds d, int& n) -> task<int&> {
        co_await sleep_for(d);
        co_return n;
    };
    const auto first = co_await race(refers_after(2s, a), refers_after(1s, b));
    CHECK(&std::get<1>(first).get() == &b);
    std::vector<task<int&>> all;
    all.push_back(refers_after(1s, a));
    all.push_back(refers_after(2s, b));
    const auto of_range = co_await when_any(std::move(all));
    CHECK(&of_range.value == &a);
}

TEST_CASE("nobody can win in an empty range")
{
    CHECK_THROWS_WITH_AS(
        static_cast<void>(race(std::vector<task<int>>{})), "race: the range is empty, so nobody can win", std::invalid_argument);
    CHECK_THROWS_WITH_AS(static_cast<void>(when_any(std::vector<task<>>{})), "when_any: the range is empty, so nobody can win",
        std::invalid_argument);
}

TASK_TEST_CASE("what a loser throws is shown to the observer, but not that it was cancelled")
{
    counting_observer o;
    observer* const before = set_observer(&o);
    const auto count = superseded_errors();
    auto r = race(number_after(1s, 1), fails_when_stopped("late"), number_after(1h, 2));
    co_await std::move(r);
    set_observer(before);
    CHECK(o.seen == std::vector<std::string>{"late"});
    CHECK(superseded_errors() == count + 1);
}

TASK_TEST_CASE("what has not begun when a race is won does not begin")
{
    bool begun = false;
    const auto notes = [](bool& b) -> task<int> {
        b = true;
        co_return 2;
    };
    const auto at_once = []() -> task<int> { co_return 1; };
    auto r = race(at_once(), notes(begun));
    const auto v = co_await std::move(r);
    CHECK(v.index() == 0);
    CHECK_FALSE(begun);
}

TASK_TEST_CASE("the first to succeed wins when_any; the failures before it are not lost without trace")
{
    counting_observer o;
    observer* const before = set_observer(&o);
    auto any = when_any(fails_after(1s, "one"), fails_after(2s, "two"), number_after(3s, 5), number_after(4s, 6));
    const auto v = co_await std::move(any);
    set_observer(before);
    CHECK(v.index() == 2);
    CHECK(std::get<2>(v) == 5);
    CHECK(manual.now() == 3s);
    CHECK(o.seen == std::vector<std::string>{"two", "one"}); // the first is held back until it is known that somebody succeeded
}

TASK_TEST_CASE("when all fail, when_any throws what the first threw")
{
    std::string what;
    try {
        std::vector<task<int>> all;
        all.push_back(fails_after(2s, "two"));
        all.push_back(fails_after(1s, "one"));
        co_await when_any(std::move(all));
    }
    catch (const std::runtime_error& e) {
        what = e.what();
    }
    CHECK(what == "one");
    CHECK(manual.now() == 2s);
}

TEST_CASE("a stop request ends a race and a when_any")
{
    manual_context manual;
    stop_source stop;
    const auto runs = [](stop_source& s, int kind) -> task<> {
        auto asks = [](stop_source& source) -> task<int> {
            co_await sleep_for(1s);
            source.request_stop();
            co_await sleep_for(1h);
            co_return 1;
        };
        if (kind == 0) {
            auto r = race(asks(s), number_after(1h, 1));
            co_await std::move(r);
        }
        else {
            auto r = when_any(fails_after(1ms, "early"), asks(s), number_after(1h, 1));
            co_await std::move(r);
        }
    };
    CHECK_THROWS_AS(manual.run(runs(stop, 0), stop.get_token()), operation_cancelled);
    stop_source other;
    const auto before = superseded_errors();
    CHECK_THROWS_WITH_AS(manual.run(runs(other, 1), other.get_token()),
        "when_any: the task was asked to stop before one of the operations succeeded", operation_cancelled);
    CHECK(superseded_errors() == before + 1); // "early"
}

TEST_CASE("races on many threads: one winner each, and everything has ended")
{
    thread_pool pool{4};
    std::atomic<int> alive{0};
    const auto runner = [](std::atomic<int>& a, int n) -> task<int> {
        struct life {
            explicit life(std::atomic<int>& c) : count(c) { ++count; }
            ~life() { --count; }
            std::atomic<int>& count;
        } const here(a);
        if (n % 3 == 0)
            co_await yield();
        else
            co_await sleep_for(std::chrono::microseconds(n % 7));
        if (n % 5 == 0)
            throw std::runtime_error("lost");
        co_return n;
    };
    const auto laps = [&runner](std::atomic<int>& a, int rounds) -> task<int> {
        int won = 0;
        for (int k = 0; k < rounds; ++k) {
            auto r = when_any(runner(a, k), runner(a, k + 1), runner(a, k + 2));
            const auto v = co_await std::move(r);
            std::visit([&](int) { ++won; }, v);
            std::vector<task<int>> range;
            for (int m = 1; m < 5; ++m)
                range.push_back(runner(a, 5 * k + m));
            const auto w = co_await race(std::move(range));
            won += w.value == 5 * k + 1 + static_cast<int>(w.index);
        }
        co_return won;
    };
    constexpr int rounds = scaled(3000, 1000, 400);
    std::vector<async_result<int>> all;
    for (int k = 0; k < 8; ++k)
        all.push_back(co_spawn(pool, laps(alive, rounds)));
    for (auto& r : all)
        CHECK(r.get() == 2 * rounds);
    CHECK(alive == 0);
}
