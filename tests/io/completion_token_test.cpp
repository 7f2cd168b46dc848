// apply_async with Asio completion tokens: where the handler runs, what it gets, how it cancels, and that it is called once.
#include "pool/support.hpp"

#include <tandem/io/completion_token.hpp>
#include <tandem/io/sleep.hpp>
#include <tandem/pool/thread_pool.hpp>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/bind_executor.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/strand.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_awaitable.hpp>
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
#include <utility>
#include <vector>

using namespace tandem;
using namespace std::chrono_literals;

namespace {

int squared(int n) { return n * n; }
task<std::string> later(std::string s)
{
    co_await sleep_for(0s);
    co_return s + s;
}

} // namespace

TEST_CASE("a token of signature void(std::exception_ptr, R), or void(std::exception_ptr)")
{
    thread_pool pool{2};
    CHECK(pool.apply_async(squared, args(3), asio::use_future).get() == 9);
    pool.apply_async([] {}, {}, asio::use_future).get();
    CHECK(pool.apply_async(later, args(std::string("ab")), asio::use_future).get() == "abab");
    CHECK(*pool.apply_async([](std::unique_ptr<int> p) { return p; }, args(std::make_unique<int>(4)), asio::use_future).get() == 4);
    CHECK_THROWS_WITH_AS(
        pool.apply_async([]() -> int { throw std::out_of_range("far"); }, {}, asio::use_future).get(), "far", std::out_of_range);
    static_assert(std::is_void_v<decltype(pool.apply_async(squared, args(3), asio::detached))>);
    pool.apply_async(squared, args(3), asio::detached);
}

TEST_CASE("a plain handler, which may be move-only, runs in the pool")
{
    std::promise<std::thread::id> ran_on;
    thread_pool pool{1};
    const std::thread::id worker = pool.apply([] { return std::this_thread::get_id(); });
    pool.apply_async(squared, args(3), [&, p = std::make_unique<int>(9)](std::exception_ptr e, int r) {
        CHECK_FALSE(e);
        CHECK(r == *p);
        ran_on.set_value(std::this_thread::get_id());
    });
    CHECK(ran_on.get_future().get() == worker);
}

TEST_CASE("an asio::awaitable awaits a call")
{
    thread_pool pool{2};
    asio::io_context io;
    const auto here = std::this_thread::get_id();
    std::string log;
    asio::co_spawn(
        io,
        [&]() -> asio::awaitable<void> {
            const int n = co_await pool.apply_async(squared, args(5), asio::use_awaitable);
            log += std::to_string(n);
            if (std::this_thread::get_id() == here)
                log += " here ";
            try {
                co_await pool.apply_async([] { throw std::out_of_range("far"); }, {}, asio::use_awaitable);
            }
            catch (const std::out_of_range& e) {
                log += e.what();
            }
        },
        asio::detached);
    io.run();
    CHECK(log == "25 here far");
}

TEST_CASE("the handler runs on its associated executor, whose context waits for it")
{
    test::gate gate;
    thread_pool pool{1};
    asio::io_context io;
    std::optional<std::thread::id> ran_on;
    pool.apply_async(
        [&] {
            gate.pass();
            return 1;
        },
        {}, asio::bind_executor(asio::make_strand(io), [&](std::exception_ptr, int) { ran_on = std::this_thread::get_id(); }));
    CHECK(io.poll() == 0);
    gate.open();
    io.run(); // returns only when the handler has run
    CHECK(ran_on == std::this_thread::get_id());
}

TEST_CASE("the handler's cancellation slot cancels the call")
{
    test::gate gate;
    asio::cancellation_signal signal;
    std::promise<std::exception_ptr> error;
    thread_pool pool{1};
    const auto handler = [&] {
        return asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr e, int) { error.set_value(e); });
    };
    SUBCASE("in the queue")
    {
        static_cast<void>(pool.apply_async([&] { gate.pass(); }));
        pool.apply_async(squared, args(3), handler());
        signal.emit(asio::cancellation_type::terminal);
        gate.open();
        CHECK(test::type_of(error.get_future().get()) == "operation_cancelled");
    }
    SUBCASE("a coroutine that sleeps")
    {
        std::atomic<bool> asleep{false};
        pool.apply_async(
            [&]() -> task<int> {
                asleep = true;
                co_await sleep_for(24h);
                co_return 1;
            },
            {}, handler());
        test::wait_until(asleep);
        signal.emit(asio::cancellation_type::partial);
        CHECK(test::type_of(error.get_future().get()) == "operation_cancelled");
    }
    SUBCASE("not after the handler has run")
    {
        pool.apply_async(squared, args(3), handler());
        CHECK_FALSE(error.get_future().get());
        pool.close();
        pool.join();
        CHECK_FALSE(signal.slot().has_handler());
        signal.emit(asio::cancellation_type::terminal);
    }
}

TEST_CASE("handlers of a terminated pool are called, with operation_cancelled")
{
    test::gate gate;
    std::vector<std::future<int>> queued;
    std::atomic<int> handled{0};
    {
        thread_pool pool{1};
        static_cast<void>(pool.apply_async([&] { gate.pass(); }));
        for (int i = 0; i < 10; ++i) {
            queued.push_back(pool.apply_async(squared, args(i), asio::use_future));
            pool.apply_async([] {}, {}, [&](std::exception_ptr e) { handled += e ? 1 : 100; });
        }
        pool.terminate();
        gate.open();
    }
    CHECK(handled == 10);
    for (std::future<int>& f : queued)
        CHECK_THROWS_AS(f.get(), operation_cancelled);
}

TEST_CASE("a closed pool throws, and does not call the handler")
{
    thread_pool pool(thread_pool_options{.threads = 1, .name = "cpu"});
    pool.close();
    bool called = false;
    CHECK_THROWS_WITH_AS(pool.apply_async(squared, args(1), [&](std::exception_ptr, int) { called = true; }),
        "apply_async: the pool 'cpu' is closed", pool_closed);
    CHECK_THROWS_WITH_AS(pool.apply_async(std::function<int()>{}, {}, asio::use_future), "apply_async: the function is empty",
        std::invalid_argument);
    CHECK_FALSE(called);
}

TEST_CASE("a function that can be called with anything is a callback, not a token")
{
    thread_pool pool{1};
    int arguments = -1;
    async_result<int> r = pool.apply_async(squared, args(3), [&](auto&&... a) { arguments = sizeof...(a); });
    CHECK(r.get() == 9);
    CHECK(arguments == 1);
}

TEST_CASE("handlers get what they need of the call, and nothing of it is left")
{
    const auto watched = std::make_shared<int>(1);
    {
        thread_pool pool{1};
        for (int i = 0; i < 50; ++i) {
            pool.apply_async([watched](const std::shared_ptr<int>&) { return 1; }, args(watched), asio::use_future).get();
            pool.apply_async([watched] {}, {}, [watched](std::exception_ptr) {});
        }
    }
    CHECK(watched.use_count() == 1);
}

TEST_CASE("stress: each handler is called once, while slots cancel")
{
    std::atomic<int> handled{0};
    constexpr int calls = 2000;
    {
        std::vector<asio::cancellation_signal> signals(calls);
        thread_pool pool{2};
        asio::thread_pool other{1};
        for (int i = 0; i < calls; ++i) {
            asio::cancellation_signal& signal = signals[static_cast<std::size_t>(i)];
            // On a strand of the slot's own, as Asio asks: the emission and the handler one at a time.
            const auto strand = asio::make_strand(other);
            asio::post(strand, [&, i, strand] {
                pool.apply_async(
                    [i]() -> task<int> {
                        if (i % 2 == 0)
                            co_await sleep_for(i % 4 == 0 ? 24h : std::chrono::hours(0));
                        co_return i;
                    },
                    {}, asio::bind_cancellation_slot(signal.slot(), asio::bind_executor(strand, [&](std::exception_ptr, int) {
                        ++handled;
                    })));
            });
            asio::post(strand, [&] { signal.emit(asio::cancellation_type::terminal); });
        }
        other.join(); // the calls count as its work
        pool.close();
        pool.join();
    }
    CHECK(handled == calls);
}
