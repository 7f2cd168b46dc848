#include "support/manual_context.hpp"
#include "support/threads.hpp"

#include <tandem/combine/when_all.hpp>
#include <tandem/pool/async_result.hpp>
#include <tandem/pool/co_spawn.hpp>
#include <tandem/pool/thread_pool.hpp>
#include <tandem/sync/one_shot_event.hpp>
#include <tandem/task/sync_wait.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <thread>
#include <tuple>

using namespace tandem;
using namespace tandem::test;
using namespace std::chrono_literals;

namespace {

constexpr int event_rounds = scaled(20'000, 20'000, 10'000);

std::int64_t from_now(std::chrono::nanoseconds d)
{
    return std::chrono::duration_cast<std::chrono::nanoseconds>((std::chrono::steady_clock::now() + d).time_since_epoch()).count();
}

struct counting_waiter : one_shot_event::waiter {
    counting_waiter() noexcept
        : waiter([](one_shot_event::waiter* w) noexcept { static_cast<counting_waiter*>(w)->notified.fetch_add(1); })
    {
    }
    std::atomic<int> notified{0};
};

task<bool> is_cancelled(one_shot_event& e)
{
    try {
        co_await e;
    }
    catch (const operation_cancelled&) {
        co_return true;
    }
    co_return false;
}

task<> sets(one_shot_event& e)
{
    e.set();
    co_return;
}

} // namespace

static_assert(sizeof(one_shot_event) == sizeof(void*));

// --- a thread waits ----------------------------------------------------------------------------

TEST_CASE("a wait for an event that is set already returns at once")
{
    one_shot_event e;
    CHECK_FALSE(e.is_set());
    e.set();
    CHECK(e.is_set());
    e.wait();
    CHECK(e.wait_until(from_now(1h)));
    CHECK(e.wait_until(from_now(-1h)));
    CHECK(e.is_set());
}

TEST_CASE("a wait ends when another thread sets the event, and sees what it did before")
{
    one_shot_event e;
    int published = 0;
    std::thread setter([&] {
        std::this_thread::sleep_for(2ms);
        published = 7;
        e.set();
    });
    e.wait();
    CHECK(published == 7);
    setter.join();
}

TEST_CASE("wait_until gives up at its time, and the event may be waited for again")
{
    one_shot_event e;
    CHECK_FALSE(e.wait_until(from_now(-1h)));
    const auto start = std::chrono::steady_clock::now();
    CHECK_FALSE(e.wait_until(from_now(5ms)));
    CHECK(std::chrono::steady_clock::now() - start >= 5ms);
    std::thread setter([&] {
        std::this_thread::sleep_for(2ms);
        e.set();
    });
    CHECK(e.wait_until(from_now(10s)));
    setter.join();
}

TEST_CASE("set races with the wait of another thread, who may destroy the event right after")
{
    std::deque<std::optional<one_shot_event>> events(event_rounds);
    for (auto& e : events)
        e.emplace();
    start_line line(2);
    on_threads(
        [&] {
            jitter random(1);
            for (auto& e : events) {
                line.wait();
                random.spin(8'000); // the waiter looks for some microseconds before it goes to sleep
                e->set();
            }
        },
        [&] {
            jitter random(2);
            for (auto& e : events) {
                line.wait();
                random.spin(1'000);
                e->wait();
                e.reset();
            }
        });
}

TEST_CASE("set races with the time-out of a wait")
{
    constexpr int n = event_rounds / 8;
    std::deque<std::optional<one_shot_event>> events(n);
    for (auto& e : events)
        e.emplace();
    start_line line(2);
    int in_time = 0;
    on_threads(
        [&] {
            jitter random(1);
            for (auto& e : events) {
                line.wait();
                random.spin(200'000);
                e->set();
            }
        },
        [&] {
            jitter random(2);
            for (auto& e : events) {
                line.wait();
                if (e->wait_until(from_now(std::chrono::microseconds(random.below(200)))))
                    ++in_time;
                else
                    e->wait();
                CHECK(e->is_set());
                e.reset();
            }
        });
    MESSAGE("in time: " << in_time << " of " << n);
}

// --- a function waits --------------------------------------------------------------------------

TEST_CASE("a waiter is notified once, on the thread that sets, and not when it was withdrawn")
{
    {
        one_shot_event e;
        counting_waiter w;
        CHECK(e.subscribe(w));
        CHECK(w.notified == 0);
        e.set();
        CHECK(w.notified == 1);
        CHECK_FALSE(e.withdraw(w));
    }
    {
        one_shot_event e;
        counting_waiter w;
        counting_waiter next;
        CHECK(e.subscribe(w));
        CHECK(e.withdraw(w));
        CHECK_FALSE(e.withdraw(w));
        CHECK(e.subscribe(next));
        e.set();
        CHECK(w.notified == 0);
        CHECK(next.notified == 1);
    }
    {
        one_shot_event e;
        e.set();
        counting_waiter w;
        CHECK_FALSE(e.subscribe(w));
        CHECK_FALSE(e.withdraw(w));
        CHECK(w.notified == 0);
    }
}

TEST_CASE("set races with subscribe and withdraw: the waiter is notified, or out, or was not let in")
{
    std::deque<one_shot_event> events(event_rounds);
    std::deque<counting_waiter> waiters(event_rounds);
    start_line line(2);
    int refused = 0;
    int withdrawn = 0;
    int notified = 0;
    on_threads(
        [&] {
            jitter random(1);
            for (one_shot_event& e : events) {
                line.wait();
                random.spin(5'000);
                e.set();
            }
        },
        [&] {
            jitter random(2);
            for (int k = 0; k < event_rounds; ++k) {
                line.wait();
                random.spin(2'000);
                if (!events[k].subscribe(waiters[k])) {
                    ++refused;
                    CHECK(events[k].is_set());
                    continue;
                }
                random.spin(2'000);
                if (events[k].withdraw(waiters[k]))
                    ++withdrawn;
                else {
                    ++notified; // just now, or in a moment
                    while (waiters[k].notified.load() == 0)
                        std::this_thread::yield();
                }
            }
        });
    CHECK(refused + withdrawn + notified == event_rounds);
    int in_all = 0;
    for (const counting_waiter& w : waiters)
        in_all += w.notified.load();
    CHECK(in_all == notified);
    MESSAGE("refused " << refused << ", withdrawn " << withdrawn << ", notified " << notified);
}

// --- a coroutine waits -------------------------------------------------------------------------

TASK_TEST_CASE("a task waits for an event that is set before, and for one that is set meanwhile")
{
    one_shot_event before;
    before.set();
    co_await before;
    one_shot_event later;
    co_await when_all(is_cancelled(later), sets(later));
    CHECK(later.is_set());
}

TEST_CASE("a task that waits for an event in vain is found out")
{
    manual_context manual;
    one_shot_event never;
    CHECK_THROWS_AS(manual.run(is_cancelled(never)), stuck);
    never.set(); // the task has gone, and its wait with it
}

TEST_CASE("a stop request ends the wait, but not an uninterrupted one, nor one for an event that is set")
{
    manual_context manual;
    stop_source stop;
    one_shot_event never;
    const auto stops = [&]() -> task<> {
        stop.request_stop();
        co_return;
    };
    const auto [cancelled, none] = manual.run(when_all(is_cancelled(never), stops()), stop.get_token());
    CHECK(cancelled);

    CHECK(manual.run(is_cancelled(never), stop.get_token())); // asked before
    one_shot_event set;
    set.set();
    CHECK_FALSE(manual.run(is_cancelled(set), stop.get_token()));

    one_shot_event later;
    const auto waits = [&]() -> task<bool> {
        co_await later.uninterrupted();
        co_return true;
    };
    const auto [waited, also_none] = manual.run(when_all(waits(), sets(later)), stop.get_token());
    CHECK(waited);
    CHECK(never.is_set() == false);
    counting_waiter w; // nothing is left in the slot
    CHECK(never.subscribe(w));
    CHECK(never.withdraw(w));
}

TEST_CASE("a task is resumed on its own context, not on the thread that sets")
{
    one_shot_event e;
    const auto here = std::this_thread::get_id();
    std::thread setter;
    const auto waits = [&]() -> task<bool> {
        setter = std::thread([&] {
            std::this_thread::sleep_for(2ms);
            e.set();
        });
        co_await e;
        co_return std::this_thread::get_id() == here;
    };
    CHECK(sync_wait(waits()));
    setter.join();
}

namespace {

// One thread waits for each event in a coroutine, the other sets it and asks the coroutine to stop, in either order.
template <class Wait>
void set_against_stop(Wait wait)
{
    struct round {
        one_shot_event event;
        stop_source stop;
    };
    std::deque<std::optional<round>> all(event_rounds);
    for (auto& r : all)
        r.emplace();
    start_line line(2);
    start_line end(2);
    int cancelled = 0;
    on_threads(
        [&] {
            jitter random(1);
            for (auto& r : all) {
                const bool stop_first = random.below(2) == 0;
                line.wait();
                random.spin(8'000);
                if (stop_first)
                    r->stop.request_stop();
                else
                    r->event.set();
                random.spin(1'000);
                if (stop_first)
                    r->event.set();
                else
                    r->stop.request_stop();
                end.wait(); // the source must live until request_stop has returned
            }
        },
        [&] {
            jitter random(2);
            for (auto& r : all) {
                line.wait();
                random.spin(500);
                cancelled += wait(is_cancelled(r->event), r->stop.get_token());
                end.wait();
                r.reset();
            }
        });
    CHECK(cancelled < event_rounds);
    MESSAGE("cancelled: " << cancelled << " of " << event_rounds);
}

} // namespace

TEST_CASE("a wait in a task races with set and with a stop request, in sync_wait")
{
    set_against_stop([](task<bool> t, stop_token stop) { return sync_wait(std::move(t), stop); });
}

TEST_CASE("a wait in a task races with set and with a stop request, on a pool")
{
    // The call is cancelled through its handle instead, so the token is watched to do so.
    thread_pool pool(2);
    set_against_stop([&](task<bool> t, stop_token stop) {
        auto call = co_spawn(pool, std::move(t));
        const stop_callback cancel(stop, [&] { call.cancel(); });
        try {
            return call.get();
        }
        catch (const operation_cancelled&) { // before it began
            return true;
        }
    });
}
