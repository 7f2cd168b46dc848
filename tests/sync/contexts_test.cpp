// One channel, mutex, semaphore, event and latch, shared by tasks on two pools, on an io_context, and in a thread's own loop.
#include "support/threads.hpp"

#include <tandem/combine/race.hpp>
#include <tandem/combine/with_timeout.hpp>
#include <tandem/io/co_spawn.hpp>
#include <tandem/pool/co_spawn.hpp>
#include <tandem/pool/thread_pool.hpp>
#include <tandem/sync/channel.hpp>
#include <tandem/sync/event.hpp>
#include <tandem/sync/latch.hpp>
#include <tandem/sync/mutex.hpp>
#include <tandem/sync/semaphore.hpp>
#include <tandem/task/sync_wait.hpp>

#include <asio/io_context.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <set>
#include <thread>

using namespace tandem;
using namespace tandem::test;
using namespace std::chrono_literals;

TEST_CASE("tasks on different contexts meet, and each resumes on its own")
{
    constexpr int each = scaled(2'000, 1'000, 500);
    channel<int> numbers{8};
    mutex m;
    semaphore two{2};
    event go;
    latch all_here{4};
    std::set<int> received; // guarded by m
    int strays = 0;         // by m, too

    const auto at_home = [](std::thread::id home) { return home == std::thread::id() || home == std::this_thread::get_id(); };
    const auto takes_part = [&](int self, std::thread::id home) -> task<> {
        all_here.count_down();
        co_await go.wait();
        bool stray = !at_home(home);
        for (int k = 0; k < each; ++k) {
            co_await numbers.send(self * each + k);
            stray |= !at_home(home);
            co_await two.acquire();
            stray |= !at_home(home);
            const auto v = co_await numbers.receive();
            stray |= !at_home(home);
            two.release();
            const auto guard = co_await m.lock();
            stray |= !at_home(home);
            received.insert(v.value());
        }
        const auto guard = co_await m.lock();
        strays += stray;
    };
    const auto starts_all = [&]() -> task<> {
        co_await all_here.wait();
        go.set();
    };

    thread_pool one{1};
    thread_pool several{2};
    asio::io_context io;
    std::thread::id io_thread;
    auto work = asio::make_work_guard(io);
    std::thread runs_io([&] { io.run(); });
    io_thread = runs_io.get_id();
    auto first = co_spawn(one, takes_part(0, one.apply([] { return std::this_thread::get_id(); })));
    auto second = co_spawn(several, takes_part(1, {}));
    auto third = co_spawn(io, takes_part(2, io_thread));
    auto starter = co_spawn(several, starts_all);
    sync_wait(takes_part(3, std::this_thread::get_id()));
    first.get();
    second.get();
    third.get();
    starter.get();
    work.reset();
    runs_io.join();
    CHECK(static_cast<int>(received.size()) == 4 * each);
    CHECK(strays == 0);
    CHECK(numbers.size() == 0);
    CHECK(two.available() == 2);
    CHECK_FALSE(m.is_locked());
}

TEST_CASE("waits are children of combinators: timed, and raced")
{
    thread_pool pool{2};
    channel<int> c{1};
    mutex m;
    const auto held = m.try_lock();
    CHECK_THROWS_AS(sync_wait(pool, with_timeout(c.receive(), 1ms)), timeout_error);
    CHECK_THROWS_AS(static_cast<void>(sync_wait(pool, with_timeout(m.lock(), 1ms))), timeout_error);
    CHECK(c.try_send(1));
    CHECK(sync_wait(pool, with_timeout(c.receive(), 1h)) == 1);
    event never;
    event set{true};
    CHECK(sync_wait(pool, race(never.wait(), set.wait())).index() == 1);
}
