#include <tandem/cancel/stop_token.hpp>
#include <tandem/io/co_spawn.hpp>
#include <tandem/pool/schedule_on.hpp>
#include <tandem/sync/sleep.hpp>
#include <tandem/task/sync_wait.hpp>

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>

using namespace tandem;
using namespace std::chrono_literals;

namespace {

task<std::thread::id> where()
{
    co_await yield();
    co_return std::this_thread::get_id();
}

} // namespace

TEST_CASE("a task goes to another pool and comes back")
{
    thread_pool pool{1};
    const auto worker = pool.apply([] { return std::this_thread::get_id(); });
    const auto goes = [](thread_pool& p, std::thread::id there) -> task<bool> {
        const auto here = std::this_thread::get_id();
        const auto elsewhere = co_await schedule_on(p, where());
        co_return elsewhere == there&& std::this_thread::get_id() == here;
    };
    CHECK(sync_wait(goes(pool, worker)));
}

TEST_CASE("to an io_context, and from a pool's worker to another pool")
{
    asio::io_context io;
    auto work = asio::make_work_guard(io);
    std::thread runner([&] { io.run(); });
    thread_pool pool{2};
    thread_pool other{1};
    const auto goes = [](asio::io_context& i, thread_pool& o, std::thread::id io_thread) -> task<bool> {
        const bool a = co_await schedule_on(i, where()) == io_thread;
        const auto in_other = co_await schedule_on(o, schedule_on(i, where()));
        co_return a&& in_other == io_thread;
    };
    CHECK(sync_wait(pool, goes(io, other, runner.get_id())));
    work.reset();
    runner.join();
}

TEST_CASE("errors come back, a closed pool is one, and a stop request goes along")
{
    thread_pool pool{1};
    const auto fails = []() -> task<int> {
        co_await yield();
        throw std::runtime_error("there");
    };
    CHECK_THROWS_WITH_AS(sync_wait(schedule_on(pool, fails())), "there", std::runtime_error);
    std::atomic<bool> begun{false};
    bool ended = false;
    const auto lingers = [&]() -> task<> {
        begun = true;
        try {
            co_await sleep_for(1h);
        }
        catch (const operation_cancelled&) {
        }
        co_await yield();
        ended = true;
        throw operation_cancelled();
    };
    stop_source stop;
    std::thread stopper([&] {
        while (!begun)
            std::this_thread::yield();
        stop.request_stop();
    });
    CHECK_THROWS_AS(sync_wait(schedule_on(pool, lingers()), stop.get_token()), operation_cancelled);
    stopper.join();
    CHECK(ended);
    pool.close();
    CHECK_THROWS_AS(sync_wait(schedule_on(pool, where())), pool_closed);
}
