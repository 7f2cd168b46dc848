#include "sync/support.hpp"

#include <tandem/pool/co_spawn.hpp>
#include <tandem/pool/thread_pool.hpp>
#include <tandem/sync/event.hpp>
#include <tandem/sync/mutex.hpp>
#include <tandem/task/sync_wait.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <type_traits>
#include <utility>
#include <vector>

using namespace tandem;
using namespace tandem::test;
using namespace std::chrono_literals;

static_assert(!std::is_copy_constructible_v<mutex> && !std::is_move_constructible_v<mutex>);
static_assert(!std::is_copy_constructible_v<mutex::guard> && std::is_nothrow_move_constructible_v<mutex::guard>);

namespace {

task<> holds(manual_context& manual, mutex& m, std::vector<int>& order, int who)
{
    auto guard = co_await m.lock();
    order.push_back(who);
    co_await manual.sleep_for(1s);
    order.push_back(-who);
}

task<> enters(mutex& m, std::vector<int>& order, int who)
{
    const auto guard = co_await m.lock();
    order.push_back(who);
}

void finish(manual_context& manual)
{
    while (manual.step()) {}
}

} // namespace

TASK_TEST_CASE("a guard holds the lock until it goes")
{
    mutex m;
    CHECK_FALSE(m.is_locked());
    {
        auto guard = co_await m.lock();
        CHECK(guard);
        CHECK(m.is_locked());
        CHECK_FALSE(m.try_lock());
        mutex::guard other = std::move(guard);
        CHECK(m.is_locked());
        CHECK(other);
        other.unlock();
        CHECK_FALSE(other);
        CHECK_FALSE(m.is_locked());
        other.unlock(); // of nothing
        other = m.try_lock();
        CHECK(other);
    }
    CHECK_FALSE(m.is_locked());
    const auto again = m.try_lock();
    CHECK(again);
}

TEST_CASE("a mutex is held by one at a time, in the order of asking")
{
    manual_context manual;
    mutex m;
    std::vector<int> order;
    started a(manual, holds(manual, m, order, 1));
    started b(manual, holds(manual, m, order, 2));
    started c(manual, holds(manual, m, order, 3));
    finish(manual);
    CHECK(order == std::vector{1, -1, 2, -2, 3, -3});
    CHECK_FALSE(m.is_locked());
}

TEST_CASE("nobody slips in between one holder and the next")
{
    manual_context manual;
    mutex m;
    std::vector<int> order;
    auto first = m.try_lock();
    started a(manual, enters(m, order, 1));
    first.unlock();
    CHECK_FALSE(a.ended()); // not in place
    CHECK(m.is_locked());   // handed over already
    CHECK_FALSE(m.try_lock());
    started b(manual, enters(m, order, 2));
    finish(manual);
    CHECK(order == std::vector{1, 2});
    CHECK_FALSE(m.is_locked());
}

TEST_CASE("a wait for a mutex is cancelled, first, last, and in the middle of the queue")
{
    for (int victim = 1; victim <= 3; ++victim) {
        manual_context manual;
        mutex m;
        std::vector<int> order;
        auto guard = m.try_lock();
        started a(manual, enters(m, order, 1));
        started b(manual, enters(m, order, 2));
        started c(manual, enters(m, order, 3));
        started<>* const all[] = {&a, &b, &c};
        all[victim - 1]->stop();
        finish(manual);
        CHECK(all[victim - 1]->was_cancelled());
        CHECK(order.empty());
        guard.unlock();
        finish(manual);
        CHECK(order.size() == 2);
        CHECK_FALSE(m.is_locked());
    }
}

TEST_CASE("when the only one who waits is cancelled, unlocking frees the mutex")
{
    manual_context manual;
    mutex m;
    std::vector<int> order;
    auto guard = m.try_lock();
    started a(manual, enters(m, order, 1));
    a.stop();
    guard.unlock();
    CHECK(m.try_lock());
    finish(manual);
    CHECK(a.was_cancelled());
    CHECK_FALSE(m.is_locked());
}

TEST_CASE("a lock that was handed over is not lost to a stop that comes before the task runs")
{
    manual_context manual;
    mutex m;
    std::vector<int> order;
    auto guard = m.try_lock();
    started a(manual, enters(m, order, 1));
    guard.unlock();
    a.stop();
    finish(manual);
    CHECK_FALSE(a.was_cancelled());
    CHECK(order == std::vector{1});
    CHECK_FALSE(m.is_locked());
}

TEST_CASE("tasks may be destroyed while they wait for a mutex, or hold it")
{
    manual_context manual;
    mutex m;
    event never;
    std::vector<int> order;
    const auto stays = [&]() -> task<> {
        const auto guard = co_await m.lock();
        order.push_back(1);
        co_await never.wait();
    };
    started a(manual, stays());
    started b(manual, enters(m, order, 2));
    started c(manual, enters(m, order, 3));
    b.destroy();
    a.destroy();
    finish(manual);
    CHECK(c.ended());
    CHECK(order == std::vector{1, 3});
}

TEST_CASE("a lock that was handed to a task which is then destroyed passes on")
{
    mutex m;
    std::vector<int> order;
    manual_context gone; // its jobs are never run
    manual_context manual;
    auto guard = m.try_lock();
    started a(gone, enters(m, order, 1));
    started b(manual, enters(m, order, 2));
    guard.unlock();
    a.destroy();
    finish(manual);
    CHECK(order == std::vector{2});
    CHECK_FALSE(m.is_locked());
}

TEST_CASE("a mutex guards what tasks on two pools and a thread's own loop share")
{
    constexpr int each = scaled(20'000, 10'000, 5'000);
    mutex m;
    long shared = 0;
    const auto counts = [&]() -> task<> {
        for (int k = 0; k < each; ++k) {
            const auto guard = co_await m.lock();
            ++shared;
        }
    };
    {
        thread_pool one{1};
        thread_pool two{2};
        co_spawn(one, counts);
        co_spawn(two, counts);
        co_spawn(two, counts);
        sync_wait(counts());
    }
    CHECK(shared == 4L * each);
}
