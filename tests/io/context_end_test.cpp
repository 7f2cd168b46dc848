#include <tandem/io/co_spawn.hpp>
#include <tandem/io/use_task.hpp>
#include <tandem/tandem.hpp>

#include <asio/async_result.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <asio/strand.hpp>
#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

using namespace tandem;
using namespace std::chrono_literals;

TEST_CASE("an io_context that is destroyed ends its suspended tasks with operation_cancelled")
{
    std::vector<async_result<int>> left;
    int unwound = 0;
    {
        asio::io_context io;
        struct guard {
            int& n;
            ~guard() { ++n; }
        };
        const auto sleeper = [](int& n) -> task<int> {
            const guard g{n};
            co_await sleep_for(1h);
            co_return 1;
        };
        const auto several = [](auto sleep, int& n) -> task<int> {
            auto both = when_all(sleep(n), sleep(n));
            auto [x, y] = co_await std::move(both);
            co_return x + y;
        };
        left.push_back(co_spawn(io, sleeper(unwound)));
        left.push_back(co_spawn(io, several(sleeper, unwound)));
        io.run_for(2ms);
        left.push_back(co_spawn(io, sleeper(unwound))); // never begun
    }
    for (auto& r : left)
        CHECK_THROWS_AS(r.get(), operation_cancelled);
    CHECK(unwound >= 3);
}

TEST_CASE("a task whose operation is destroyed on another thread, with its context, goes on on its own")
{
    std::function<void()> handler;
    std::atomic<bool> waits{false};
    std::thread destroyer([&] {
        while (!waits)
            std::this_thread::yield();
        handler = nullptr;
    });
    const auto home = std::this_thread::get_id();
    bool resumed_at_home = false;
    const auto waiter = [&]() -> task<void> {
        auto operation = asio::async_initiate<const use_task_t&, void()>(
            [&](auto h) {
                auto kept = std::make_shared<decltype(h)>(std::move(h)); // a std::function must be copyable
                handler = [kept] {};
                waits = true;
            },
            use_task);
        try {
            co_await std::move(operation);
        }
        catch (const operation_cancelled&) {
            resumed_at_home = std::this_thread::get_id() == home;
        }
    };
    sync_wait(waiter());
    destroyer.join();
    CHECK(resumed_at_home);
}

TEST_CASE("tasks on a strand of a context that is destroyed end, too, and their handles outlive it")
{
    std::vector<async_result<void>> left;
    {
        asio::io_context io;
        auto strand = asio::make_strand(io);
        for (int k = 0; k < 3; ++k)
            left.push_back(co_spawn(strand, [&io]() -> task<void> {
                asio::steady_timer timer(io, 1h);
                auto wait = timer.async_wait(use_task);
                co_await std::move(wait);
            }));
        io.run_for(2ms);
    }
    for (auto& r : left)
        CHECK_THROWS_AS(r.get(), operation_cancelled);
}

TEST_CASE("a context may be destroyed after any number of handlers, when some of its tasks have begun and some have not")
{
    for (int handlers = 0; handlers < 40; ++handlers) {
        std::vector<async_result<void>> left;
        {
            asio::io_context io;
            for (int k = 0; k < 4; ++k)
                left.push_back(co_spawn(io, with_timeout(with_timeout(sleep_for(2h), 1h), 1h)));
            for (int k = 0; k < handlers; ++k)
                io.poll_one();
        }
        for (auto& r : left)
            CHECK_THROWS_AS(r.get(), operation_cancelled);
    }
}

TEST_CASE("a limit of time that goes with its context has not run out")
{
    std::vector<async_result<void>> left;
    {
        asio::io_context io;
        for (int k = 0; k < 10; ++k) {
            left.push_back(co_spawn(io, with_timeout(sleep_for(1h), 1h)));
            left.push_back(co_spawn(io, with_timeout(with_timeout(sleep_for(2h), 1h), 1h)));
        }
        io.run_for(2ms);
    }
    for (auto& r : left)
        CHECK_THROWS_AS(r.get(), operation_cancelled);
}
