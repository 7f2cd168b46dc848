// What is said of tasks that can never end: the tree of those that wait.
#include "support/tasks.hpp"

#include <tandem/combine/map.hpp>
#include <tandem/combine/race.hpp>
#include <tandem/combine/retry.hpp>
#include <tandem/combine/task_scope.hpp>
#include <tandem/combine/when_all.hpp>
#include <tandem/combine/with_timeout.hpp>
#include <tandem/sync/channel.hpp>
#include <tandem/sync/event.hpp>
#include <tandem/sync/latch.hpp>
#include <tandem/sync/mutex.hpp>
#include <tandem/sync/one_shot_event.hpp>
#include <tandem/sync/semaphore.hpp>
#include <tandem/task/async_generator.hpp>
#include <tandem/task/inherit.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <coroutine>
#include <string>
#include <utility>
#include <variant>
#include <vector>

using namespace tandem;
using namespace tandem::test;
using namespace std::chrono_literals;

namespace {

// Each says where it waits: the line of the co_await below.
struct {
    int locks_twice, first_lock, reads, writes, waits_for_event, generates, consumes, acquires, counts, waits_for_result;
} line;

task<> first_lock(mutex& m)
{
    line.first_lock = __LINE__ + 1;
    const auto guard = co_await m.lock();
}
task<> locks_twice(mutex& m)
{
    const auto guard = co_await m.lock();
    line.locks_twice = __LINE__ + 1;
    co_await named("again", first_lock(m));
}
task<int> reads(channel<int>& c)
{
    line.reads = __LINE__ + 1;
    co_return *co_await c.receive();
}
task<int> writes(channel<int>& c)
{
    line.writes = __LINE__ + 1;
    co_await c.send(1);
    co_return 0;
}
task<int> waits_for_event(event& e)
{
    line.waits_for_event = __LINE__ + 1;
    co_await e.wait();
    co_return 0;
}
task<> acquires(semaphore& s)
{
    line.acquires = __LINE__ + 1;
    co_await s.acquire();
}
task<> counts(latch& l)
{
    line.counts = __LINE__ + 1;
    co_await l.wait();
}
task<> waits_for_result(one_shot_event& e)
{
    line.waits_for_result = __LINE__ + 1;
    co_await e;
}
async_generator<int> generates(event& e)
{
    co_yield 1;
    line.generates = __LINE__ + 1;
    co_await e.wait();
}
task<int> consumes(event& e)
{
    auto numbers = generates(e);
    int sum = 0;
    line.consumes = __LINE__ + 1;
    while (const auto n = co_await numbers.next())
        sum += *n;
    co_return sum;
}

template <class A>
std::string why_stuck(A a)
{
    manual_context manual;
    try {
        manual.run(std::move(a));
    }
    catch (const would_deadlock& e) {
        CHECK(manual.waiting_tasks() == ""); // it was destroyed, and with it its waits
        const std::string text = e.what();
        return text.substr(text.find('\n'));
    }
    return "it was not stuck";
}

/// A line of the tree: at that depth, and with the file and the number behind the function.
std::string in(int depth, const std::string& function, int number, const std::string& waits_for)
{
    std::string file = __FILE__;
    while (file.starts_with("../"))
        file.erase(0, 3);
    return "\n" + std::string(4 * depth, ' ') + function + " (" + file + ":" + std::to_string(number) + ")" + waits_for;
}

} // namespace

TEST_CASE("what can never end is told as a chain, with names and lines")
{
    mutex m;
    const std::string text = why_stuck(named("main", locks_twice(m)));
    CHECK(text == in(1, "\"main\" locks_twice", line.locks_twice, "") + in(2, "\"again\" first_lock", line.first_lock, ": mutex"));
    CHECK_FALSE(m.is_locked());
}

TEST_CASE("children of a combinator that have ended are not among those who wait")
{
    event e;
    channel<int> empty{1};
    channel<int> full{0};
    const std::string text =
        why_stuck(when_all(reads(empty), nothing(), named("w", writes(full)), waits_for_event(e), consumes(e)));
    CHECK(text == "\n    when_all of 5" + in(2, "#1 reads", line.reads, ": channel receive") +
                      in(2, "#3 \"w\" writes", line.writes, ": channel send") +
                      in(2, "#4 waits_for_event", line.waits_for_event, ": event") + in(2, "#5 consumes", line.consumes, "") +
                      in(3, "generates", line.generates, ": event"));
}

TEST_CASE("each kind of wait has a word")
{
    semaphore s{0};
    latch l{1};
    one_shot_event o;
    mutex m;
    const auto held = m.try_lock();
    const std::string text = why_stuck(race(acquires(s), counts(l), waits_for_result(o), m.lock()));
    CHECK(text == "\n    race of 4" + in(2, "#1 acquires", line.acquires, ": semaphore") +
                      in(2, "#2 counts", line.counts, ": latch") +
                      in(2, "#3 waits_for_result", line.waits_for_result, ": a result") + "\n        #4 mutex");
}

TEST_CASE("a scope is told with its body and those of its tasks that wait")
{
    event e;
    channel<int> c{1};
    const auto body = [](task_scope& s, event* never, channel<int>* empty) -> task<> {
        s.spawn(named("first", reads(*empty)));
        s.spawn(nothing());
        s.spawn([never] { return waits_for_event(*never); });
        co_await consumes(*never);
    };
    const std::string text = why_stuck(with_scope([&](task_scope& s) { return body(s, &e, &c); }));
    CHECK(text.starts_with("\n    with_scope\n"));
    CHECK(text.find(in(3, "consumes", line.consumes, "") + in(4, "generates", line.generates, ": event")) != std::string::npos);
    CHECK(text.find(in(2, "\"first\" reads", line.reads, ": channel receive") +
                    in(2, "waits_for_event", line.waits_for_event, ": event")) != std::string::npos);
    CHECK(text.find("nothing") == std::string::npos);
}

TEST_CASE("map and retry are told as the coroutines that they are")
{
    event e;
    const auto f = [&](int) { return waits_for_event(e); };
    const std::string mapped = why_stuck(map(std::vector{1, 2, 3}, f, {.concurrency = 2}));
    CHECK(mapped.find("map.hpp") != std::string::npos);
    CHECK(mapped.find("): when_all of 2\n        #1 tandem::detail::limited_map::run (") != std::string::npos);
    CHECK(mapped.find(in(3, "waits_for_event", line.waits_for_event, ": event")) != std::string::npos);
    const std::string retried = why_stuck(retry(retry_policy{}, [&] { return waits_for_event(e); }));
    CHECK(retried.starts_with("\n    tandem::detail::retry_loop ("));
}

TEST_CASE("a wait of somebody else's making is told as one that is not known")
{
    struct never {
        static bool await_ready() noexcept { return false; }
        static void await_suspend(std::coroutine_handle<>) noexcept {}
        static void await_resume() noexcept {}
    };
    const auto waits = []() -> task<> { co_await never{}; };
    const std::string text = why_stuck(waits());
    CHECK(text.ends_with("): something that is none of Tandem's waits"));
}

TASK_TEST_CASE("who waits can be asked at any time, sleepers and limits of time included")
{
    CHECK(manual.waiting_tasks() == "");
    event e;
    const auto asks = [](manual_context* m) -> task<std::string> {
        co_await m->sleep_for(1s);
        co_return m->waiting_tasks();
    };
    auto limited = with_timeout(waits_for_event(e), 1h);
    auto both = race(std::move(limited), asks(&manual), named("slow", manual.sleep_for(2s)));
    const auto first = co_await std::move(both);
    const std::string& text = std::get<1>(first);
    CHECK(text.find("race of 3\n        #1 with_timeout" + in(3, "waits_for_event", line.waits_for_event, ": event")) !=
          std::string::npos);
    CHECK(text.ends_with("\n        #3 \"slow\" sleep until 2 s"));
    CHECK(manual.waiting_tasks() == "");
}

TEST_CASE("a wait that is over, or was cancelled, is not told any more, though its awaiter lives on")
{
    mutex m;
    event e;
    manual_context manual;
    const auto second = [](event* never) -> task<int> {
        co_await never->wait();
        co_return 1;
    };
    const auto in_one_expression = [&](mutex* mtx, event* never) -> task<> {
        static_cast<void>(std::pair(co_await mtx->lock(), co_await second(never)));
    };
    auto held = m.try_lock();
    const auto unlocks = [](mutex::guard* g) -> task<> {
        g->unlock();
        co_return;
    };
    try {
        manual.run(when_all(in_one_expression(&m, &e), unlocks(&held)));
        FAIL("not stuck");
    }
    catch (const would_deadlock& stuck_at) {
        const std::string text = stuck_at.what();
        CHECK(text.find(": mutex") == std::string::npos);
        CHECK(text.ends_with(": event"));
    }
}
