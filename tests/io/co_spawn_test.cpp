#include "support.hpp"
#include "support/threads.hpp"

#include <tandem/io/co_spawn.hpp>
#include <tandem/io/sleep.hpp>
#include <tandem/io/use_task.hpp>
#include <tandem/tandem.hpp>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/bind_executor.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/strand.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_future.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <exception>
#include <future>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>

#if __has_include(<asio/deferred.hpp>)
#include <asio/deferred.hpp>
using asio::deferred;
#else
#include <asio/experimental/deferred.hpp>
using asio::experimental::deferred;
#endif

using namespace tandem;
using namespace tandem::test;
using namespace std::chrono_literals;

namespace {

task<std::thread::id> where()
{
    co_await sleep_for(1ms);
    co_return std::this_thread::get_id();
}

int value_of(async_result<int> r) { return r.get(); }

/// What is the same for each kind of place to run: `place` is what co_spawn takes, `run` makes it go until everything is done.
template <class Place, class Run>
void handle_and_future(Place& place, Run run)
{
    {
        async_result<int> handle = tandem::co_spawn(place, number_later(1));
        run();
        CHECK(handle.get() == 1);
    }
    {
        std::future<int> f = tandem::co_spawn(place, number_later(3), asio::use_future);
        run();
        CHECK(f.get() == 3);
    }
}

/// The other tokens take the same way, and each costs a compiler a second for each kind of place.
template <class Place, class Run>
void every_token(Place& place, Run run)
{
    handle_and_future(place, run);
    {
        auto handle = tandem::co_spawn(place, [n = std::make_unique<int>(2)]() -> task<int> { return number_later(*n); });
        run();
        CHECK(handle.get() == 2);
    }
    {
        std::future<int> f = tandem::co_spawn(place, failing_later(), asio::use_future);
        run();
        CHECK_THROWS_AS(f.get(), std::out_of_range);
    }
    {
        std::promise<int> got;
        auto f = got.get_future();
        tandem::co_spawn(place, number_later(4), [&](std::exception_ptr e, int n) {
            CHECK_FALSE(e);
            got.set_value(n);
        });
        run();
        CHECK(f.get() == 4);
    }
    {
        std::promise<std::string> got;
        auto f = got.get_future();
        tandem::co_spawn(place, failing_later(), [&](std::exception_ptr e, int) {
            try {
                std::rethrow_exception(e);
            }
            catch (const std::out_of_range& what) {
                got.set_value(what.what());
            }
        });
        run();
        CHECK(f.get() == "far");
    }
    {
        std::promise<void> got;
        auto f = got.get_future();
        tandem::co_spawn(
            place,
            [&]() -> task<void> {
                co_await sleep_for(1ms);
                got.set_value();
            },
            asio::detached);
        run();
        f.get();
    }
    {
        auto later = tandem::co_spawn(place, number_later(5), deferred);
        std::promise<int> got;
        auto f = got.get_future();
        std::move(later)([&](std::exception_ptr, int n) { got.set_value(n); });
        run();
        CHECK(f.get() == 5);
    }
    {
        // use_task: awaited in a task that runs somewhere else.
        auto outer =
            start_thread([&place]() -> task<int> { co_return co_await tandem::co_spawn(place, number_later(6), use_task); });
        while (!outer.wait_for(1ms))
            run();
        CHECK(outer.get() == 6);
    }
}

} // namespace

TEST_CASE("co_spawn on a pool, with every token")
{
    thread_pool pool{2};
    every_token(pool, [] {});
}

TEST_CASE("co_spawn on an io_context, with every token")
{
    asio::io_context io;
    every_token(io, [&] {
        io.restart();
        io.run();
    });
    const auto ex = io.get_executor();
    handle_and_future(ex, [&] {
        io.restart();
        io.run();
    });
}

TEST_CASE("co_spawn on a bare asio::thread_pool, with every token, and on a strand")
{
    asio::thread_pool bare{2};
    every_token(bare, [] {});
    const auto strand = asio::make_strand(bare);
    handle_and_future(strand, [] {});
    bare.join();
}

TEST_CASE("a task runs, and goes on, where it was spawned")
{
    asio::io_context io;
    auto on_io = co_spawn(io, where());
    io.run();
    CHECK(on_io.get() == std::this_thread::get_id());

    thread_pool pool{1};
    const std::thread::id worker = pool.apply([] { return std::this_thread::get_id(); });
    CHECK(co_spawn(pool, where()).get() == worker);
    // The executor of a pool is the pool.
    CHECK(thread_pool::of(pool.context()) == &pool);
    const auto has_scheduler = []() -> task<bool> {
        environment& env = co_await this_task::current_environment();
        co_return env.ctx->work_stealing() != nullptr;
    };
    CHECK(co_spawn(pool.context(), has_scheduler()).get());
    CHECK(co_spawn(pool.get_executor(), has_scheduler()).get());
    CHECK_FALSE(co_spawn(asio::make_strand(pool.get_executor()), has_scheduler()).get());
}

TEST_CASE("when_all and map on an io_context, run by one thread and by several")
{
    const auto job = []() -> task<int> {
        auto both = when_all(number_later(1), number_later(2));
        auto [a, b] = co_await std::move(both);
        int sum = a + b;
        const std::vector<int> numbers{1, 2, 3, 4, 5};
        for (int n : co_await tandem::map(numbers, number_later, {.concurrency = 2}))
            sum += n;
        for (int n : co_await tandem::map(numbers, [](int n) { return 2 * n; }))
            sum += n;
        co_return sum;
    };
    for (const int threads : {1, 4}) {
        asio::io_context io;
        auto r = co_spawn(io, job);
        on_each_of(threads, [&](int) { io.run(); });
        CHECK(r.get() == 3 + 15 + 30);
    }
}

TEST_CASE("a handler runs on its associated executor")
{
    thread_pool pool{2};
    asio::io_context io;
    std::optional<std::thread::id> ran_on;
    co_spawn(pool, number_later(1),
        asio::bind_executor(io.get_executor(), [&](std::exception_ptr, int) { ran_on = std::this_thread::get_id(); }));
    io.run(); // the call counts as work of the handler's context
    CHECK(ran_on == std::this_thread::get_id());
}

TEST_CASE("a handler's cancellation slot stops the task")
{
    thread_pool pool{2};
    asio::cancellation_signal signal;
    std::promise<std::exception_ptr> got;
    auto f = got.get_future();
    co_spawn(pool, sleep_for(1h), asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr e) { got.set_value(e); }));
    signal.emit(asio::cancellation_type::terminal);
    CHECK_THROWS_AS(std::rethrow_exception(f.get()), operation_cancelled);
}

TEST_CASE("the pool's calls take every token")
{
    thread_pool pool{2};
    const auto twice = [](int n) { return 2 * n; };
    CHECK(pool.apply_async(twice, args(1), asio::use_future).get() == 2);
    pool.apply_async([] {}, args(), asio::use_future).get();
    CHECK(sync_wait([&]() -> task<int> { co_return co_await pool.apply_async(twice, args(2), use_task); }()) == 4);
    std::promise<int> got;
    auto f = got.get_future();
    pool.apply_async(twice, args(3), [&](std::exception_ptr, int n) { got.set_value(n); });
    CHECK(f.get() == 6);
    CHECK_THROWS_AS(
        pool.apply_async([]() -> int { throw std::out_of_range("far"); }, args(), asio::use_future).get(), std::out_of_range);
    pool.close();
    CHECK_THROWS_AS(pool.apply_async(twice, args(1), asio::use_future), pool_closed);
}

TEST_CASE("what a handler throws goes to the unhandled hook")
{
    std::atomic<int> seen{0};
    {
        thread_pool pool({.threads = 1, .unhandled = [&](std::exception_ptr) { ++seen; }});
        pool.apply_async([] { return 1; }, args(), [](std::exception_ptr, int) { throw std::runtime_error("in a handler"); });
    }
    CHECK(seen == 1);
}

TEST_CASE("blocking on a result in its own executor's thread throws instead of hanging")
{
    asio::io_context io;
    auto outer = co_spawn(io, [&io]() -> task<std::string> {
        auto inner = tandem::co_spawn(io, number_later(1));
        try {
            co_return std::to_string(inner.get());
        }
        catch (const would_deadlock& e) {
            co_return e.what();
        }
    });
    io.run();
    CHECK(outer.get().find("co_await it instead") != std::string::npos);

    // On a pool of one thread it just works.
    thread_pool one{1};
    CHECK(co_spawn(one, [&one]() -> task<int> { co_return value_of(tandem::co_spawn(one, number_later(2))); }).get() == 2);
}
