// Part of the facade suite: async_result.
#pragma once

#include "functions.hpp"

#include <tandem/tandem.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <exception>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

TEST_CASE("a handle says whether its call has ended, and how")
{
    auto pool = pools::make(1);
    fifo gate;
    const async_result<int> held = pool.apply_async(fifo::pass, args(gate.path(), 5));
    CHECK(held.valid());
    CHECK_FALSE(held.ready());
    CHECK_FALSE(held.successful());
    gate.open();
    held.wait();
    CHECK(held.ready());
    CHECK(held.successful());

    const async_result<int> failed = pool.apply_async(fails, args(5));
    failed.wait();
    CHECK(failed.ready());
    CHECK_FALSE(failed.successful());
}

TEST_CASE("waiting for a time")
{
    auto pool = pools::make(1);
    fifo gate;
    async_result<int> held = pool.apply_async(fifo::pass, args(gate.path(), 5));
    CHECK_FALSE(held.wait_for(1ms));
    CHECK_FALSE(held.wait_for(0s));
    CHECK_FALSE(held.wait_for(-1h));
    CHECK_THROWS_AS(held.get_for(1ms), timeout_error);
    gate.open();
    CHECK(held.wait_for(1h));
    CHECK(held.get_for(1h) == 5);
}

TEST_CASE("a time too long for the clock is for ever")
{
    auto pool = pools::make(1);
    fifo gate;
    async_result<int> held = pool.apply_async(fifo::pass, args(gate.path(), 5));
    int after = 0; // orders nothing; says that the gate was opened
    async_result<int> opener = start_thread([&] {
        gate.open();
        return after = 1;
    });
    CHECK(held.wait_for(std::chrono::nanoseconds::max()));
    CHECK(held.wait_for(std::chrono::hours::max()));
    CHECK(held.wait_for(std::chrono::duration<double>(1e30)));
    CHECK(held.get_for(std::chrono::steady_clock::duration::max()) == 5);
    CHECK(opener.get() == 1);
}

TEST_CASE("the value is taken once")
{
    auto pool = pools::make(1);
    async_result<int> r = pool.apply_async(square, args(3));
    CHECK(r.get() == 9);
    CHECK_THROWS_WITH_AS(r.get(), "async_result: the value was taken already", std::logic_error);
    CHECK_THROWS_AS(r.get_for(1h), std::logic_error);
    CHECK(r.ready());
    CHECK(r.successful());

    async_result<int> failed = pool.apply_async(fails, args(3));
    CHECK_THROWS_AS(failed.get(), std::runtime_error);
    CHECK_THROWS_WITH_AS(failed.get(), "async_result: the value was taken already", std::logic_error);
    CHECK_FALSE(failed.successful());
}

TEST_CASE("a handle without a call")
{
    auto pool = pools::make(1);
    async_result<int> r;
    CHECK_FALSE(r.valid());
    CHECK_THROWS_AS(r.get(), std::logic_error);
    CHECK_THROWS_AS(r.wait(), std::logic_error);
    CHECK_THROWS_AS(static_cast<void>(r.ready()), std::logic_error);
    CHECK_THROWS_AS(r.cancel(), std::logic_error);

    r = pool.apply_async(square, args(2));
    async_result<int> other = std::move(r);
    CHECK_FALSE(r.valid());
    CHECK(other.get() == 4);
    other = pool.apply_async(square, args(3)); // another call in its place
    CHECK(other.get() == 9);
}

TEST_CASE("results outlive the pool")
{
    async_result<std::string> text;
    async_result<int> failed;
    async_result<std::vector<int>> mapped;
    {
        auto pool = pools::make(2);
        text = pool.apply_async([] { return std::string(100, 'x'); });
        failed = pool.apply_async(fails, args(3));
        mapped = pool.map_async(square, numbers(100));
    }
    CHECK(text.ready());
    CHECK(text.get() == std::string(100, 'x'));
    CHECK_THROWS_WITH_AS(failed.get(), "no 3", std::runtime_error);
    CHECK(mapped.get() == squares(100));
    text.cancel(); // too late to matter
}

TEST_CASE("a call that has not begun can be cancelled")
{
    auto pool = pools::make(1);
    fifo gate;
    async_result<int> first = pool.apply_async(fifo::pass, args(gate.path(), 1));
    async_result<int> second = pool.apply_async(square, args(2));
    bool called_back = false;
    std::string error;
    async_result<int> third = pool.apply_async(
        square, args(3), [&](int) { called_back = true; }, [&](std::exception_ptr e) { error = test::type_of(e); });
    second.cancel();
    third.cancel();
    gate.open();
    CHECK(first.get() == 1);
    CHECK_THROWS_AS(second.get(), operation_cancelled);
    CHECK_THROWS_AS(third.get(), operation_cancelled);
    CHECK_FALSE(called_back);
    CHECK(error == "operation_cancelled");
}

TEST_CASE("a coroutine awaits a call")
{
    auto pool = pools::make(2);
    const auto sum = [](auto& p) -> task<int> {
        async_result<int> a = p.apply_async(square, args(3));
        const int b = co_await p.apply_async(square, args(4));
        co_return co_await a + b;
    };
    CHECK(sync_wait(sum(pool)) == 25);
    CHECK(sync_wait(pool.apply_async(square, args(5))) == 25);
    CHECK_THROWS_WITH_AS(sync_wait(pool.apply_async(fails, args(5))), "no 5", std::runtime_error);
    const auto [x, y] = sync_wait(when_all(pool.apply_async(square, args(6)), pool.apply_async(square, args(7))));
    CHECK(x + y == 36 + 49);
}
