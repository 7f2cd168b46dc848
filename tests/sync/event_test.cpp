#include "sync/support.hpp"

#include <tandem/sync/event.hpp>
#include <tandem/task/sync_wait.hpp>

#include <doctest/doctest.h>

#include <deque>
#include <optional>
#include <vector>

using namespace tandem;
using namespace tandem::test;

namespace {

task<> waits(event& e, std::vector<int>& through, int who)
{
    co_await e.wait();
    through.push_back(who);
}

} // namespace

TASK_TEST_CASE("an event that is set lets through at once")
{
    event e{true};
    CHECK(e.is_set());
    co_await e.wait();
    e.reset();
    CHECK_FALSE(e.is_set());
    e.set();
    e.set();
    co_await e.wait();
}

TEST_CASE("an event lets through all who wait, in order, and holds up those who come after a reset")
{
    manual_context manual;
    event e;
    std::vector<int> through;
    started a(manual, waits(e, through, 1));
    started b(manual, waits(e, through, 2));
    started c(manual, waits(e, through, 3));
    drain(manual);
    CHECK(through.empty());
    e.set();
    CHECK(through.empty()); // never in place
    e.reset();
    started d(manual, waits(e, through, 4));
    drain(manual);
    CHECK(through == std::vector{1, 2, 3});
    CHECK_FALSE(d.ended());
    e.reset();
    e.set();
    drain(manual);
    CHECK(d.ended());
}

TEST_CASE("a wait for an event is cancelled, also in the middle of the queue")
{
    manual_context manual;
    event e;
    std::vector<int> through;
    started a(manual, waits(e, through, 1));
    started b(manual, waits(e, through, 2));
    started c(manual, waits(e, through, 3));
    b.stop();
    CHECK_FALSE(b.ended());
    drain(manual);
    CHECK(b.was_cancelled());
    e.set();
    a.stop(); // too late: it was let through
    drain(manual);
    CHECK_FALSE(a.was_cancelled());
    CHECK(through == std::vector{1, 3});
}

TEST_CASE("a task that was asked to stop before does not begin to wait, but goes through an event that is set")
{
    manual_context manual;
    stop_source stop;
    stop.request_stop();
    std::vector<int> through;
    event e;
    CHECK_THROWS_AS(manual.run(waits(e, through, 1), stop.get_token()), operation_cancelled);
    e.set();
    manual.run(waits(e, through, 2), stop.get_token());
    CHECK(through == std::vector{2});
}

TEST_CASE("a task may be destroyed while it waits for an event")
{
    manual_context manual;
    event e;
    std::vector<int> through;
    started a(manual, waits(e, through, 1));
    started b(manual, waits(e, through, 2));
    started c(manual, waits(e, through, 3));
    b.destroy();
    c.destroy();
    e.set();
    drain(manual);
    CHECK(through == std::vector{1});
    e.reset();
    CHECK_THROWS_AS(manual.run(waits(e, through, 4)), stuck);
}

TEST_CASE("an event is destroyed by its waiter while another thread is just leaving set")
{
    constexpr int rounds = scaled(20'000, 20'000, 5'000);
    std::deque<std::optional<event>> events(rounds);
    for (auto& e : events)
        e.emplace();
    start_line line(2);
    int published = 0;
    on_threads(
        [&] {
            jitter random(1);
            for (auto& e : events) {
                line.wait();
                random.spin(2'000);
                ++published;
                e->set();
            }
        },
        [&] {
            jitter random(2);
            int seen = 0;
            for (auto& e : events) {
                line.wait();
                random.spin(2'000);
                if (seen % 2 == 0)
                    sync_wait(e->wait());
                else
                    while (!e->is_set())
                        std::this_thread::yield();
                CHECK(published == ++seen);
                e.reset();
            }
        });
}
