#include "sync/support.hpp"

#include <tandem/sync/semaphore.hpp>
#include <tandem/task/sync_wait.hpp>

#include <doctest/doctest.h>

#include <deque>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

using namespace tandem;
using namespace tandem::test;

namespace {

task<> takes(semaphore& s, std::vector<int>& order, int who)
{
    co_await s.acquire();
    order.push_back(who);
}

} // namespace

TASK_TEST_CASE("a semaphore gives out its units")
{
    semaphore s{2};
    CHECK(s.available() == 2);
    co_await s.acquire();
    CHECK(s.try_acquire());
    CHECK_FALSE(s.try_acquire());
    s.release(3);
    CHECK(s.available() == 3);
    s.release(0);
    CHECK(s.available() == 3);
}

TEST_CASE("units go to those who wait, in the order of asking, and the rest stays")
{
    manual_context manual;
    semaphore s{0};
    std::vector<int> order;
    started a(manual, takes(s, order, 1));
    started b(manual, takes(s, order, 2));
    started c(manual, takes(s, order, 3));
    s.release(2);
    CHECK(order.empty());
    CHECK(s.available() == 0);
    CHECK_FALSE(s.try_acquire());
    drain(manual);
    CHECK(order == std::vector{1, 2});
    s.release(3);
    CHECK(s.available() == 2);
    drain(manual);
    CHECK(order == std::vector{1, 2, 3});
}

TEST_CASE("a wait for a semaphore is cancelled, and its unit goes to the next")
{
    manual_context manual;
    semaphore s{0};
    std::vector<int> order;
    started a(manual, takes(s, order, 1));
    started b(manual, takes(s, order, 2));
    started c(manual, takes(s, order, 3));
    a.stop();
    c.stop();
    s.release(2);
    CHECK(s.available() == 1);
    b.stop(); // too late
    drain(manual);
    CHECK(a.was_cancelled());
    CHECK_FALSE(b.was_cancelled());
    CHECK(c.was_cancelled());
    CHECK(order == std::vector{2});
    CHECK(s.available() == 1);

    stop_source stop;
    stop.request_stop();
    manual.run(takes(s, order, 4), stop.get_token()); // it need not wait
    CHECK_THROWS_AS(manual.run(takes(s, order, 5), stop.get_token()), operation_cancelled);
    CHECK(s.available() == 0);
}

TEST_CASE("tasks may be destroyed while they wait for a semaphore; a unit that one was given goes on")
{
    semaphore s{0};
    std::vector<int> order;
    manual_context gone; // its jobs are never run
    manual_context manual;
    started a(gone, takes(s, order, 1));
    started b(manual, takes(s, order, 2));
    started c(manual, takes(s, order, 3));
    b.destroy();
    s.release();
    a.destroy();
    drain(manual);
    CHECK(order == std::vector{3});
    CHECK(s.available() == 0);
}

TEST_CASE("bad arguments of a semaphore are named")
{
    CHECK_THROWS_WITH_AS(semaphore{-1}, "semaphore: units is -1, it must not be negative", std::invalid_argument);
    semaphore s{1};
    CHECK_THROWS_WITH_AS(s.release(-2), "semaphore::release: units is -2, it must not be negative", std::invalid_argument);
    CHECK_THROWS_AS(s.release(semaphore::max()), std::invalid_argument);
    CHECK(s.available() == 1);
    s.release(semaphore::max() - 1);
    CHECK(s.available() == semaphore::max());

    manual_context manual;
    semaphore none{0};
    std::vector<int> order;
    started a(manual, takes(none, order, 1));
    CHECK_THROWS_AS(none.release(-1), std::invalid_argument);
    none.release(semaphore::max());
    drain(manual);
    CHECK(a.ended());
    CHECK(none.available() == semaphore::max() - 1);
}

TEST_CASE("a semaphore is destroyed by who takes its unit while another thread is just leaving release")
{
    constexpr int rounds = scaled(20'000, 20'000, 5'000);
    std::deque<std::optional<semaphore>> all(rounds);
    for (auto& s : all)
        s.emplace(0);
    start_line line(2);
    on_threads(
        [&] {
            jitter random(1);
            for (auto& s : all) {
                line.wait();
                random.spin(2'000);
                s->release();
            }
        },
        [&] {
            jitter random(2);
            for (auto& s : all) {
                line.wait();
                random.spin(2'000);
                sync_wait(s->acquire());
                s.reset();
            }
        });
}

TASK_TEST_CASE("a permit gives its unit back when it goes, once, and may be moved, emptied and detached")
{
    semaphore s{2};
    {
        const auto a = co_await s.acquire_scoped();
        auto b = co_await s.acquire_scoped();
        CHECK(a);
        CHECK(s.available() == 0);
        CHECK_FALSE(s.try_acquire_scoped());
        auto c = std::move(b);
        CHECK_FALSE(b); // NOLINT: moved from, and that is what is asked
        CHECK(s.available() == 0);
        c.detach();
        c = s.adopt();
        CHECK(s.available() == 0);
        c.release();
        c.release();
        CHECK(s.available() == 1);
        c = s.try_acquire_scoped();
        CHECK(c);
        CHECK(s.available() == 0);
    }
    CHECK(s.available() == 2);
    auto kept = s.try_acquire_scoped();
    kept.detach();
    CHECK_FALSE(kept);
    CHECK(s.available() == 1);
}

TEST_CASE("who waits for a permit gets it from the one that goes; one who is stopped, or destroyed with it in hand, leaves it")
{
    manual_context manual;
    semaphore s{0};
    int held = 0;
    const auto holds = [](semaphore* sem, int* n) -> task<> {
        const auto permit = co_await sem->acquire_scoped();
        ++*n;
    };
    started a(manual, holds(&s, &held));
    started b(manual, holds(&s, &held));
    started c(manual, holds(&s, &held));
    b.stop();
    s.release();
    drain(manual);
    CHECK(held == 2); // one unit, one after the other
    CHECK(b.was_cancelled());
    CHECK(s.available() == 1);
    CHECK(s.try_acquire());
    started d(manual, holds(&s, &held));
    s.release(); // granted, and not resumed
    d.destroy();
    CHECK(held == 2);
    CHECK(s.available() == 1);
    static_cast<void>(c);
}
