// Part of the facade suite: close, join, terminate, and the destructor.
#pragma once

#include "functions.hpp"

#include <tandem/tandem.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <exception>
#include <list>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

TEST_CASE("a closed pool takes no more work, and says which pool it was and what it was asked")
{
    auto pool = pools::make(2, "crunchers");
    bool terminated = false;
    SUBCASE("closed") { pool.close(); }
    SUBCASE("closed twice, and joined")
    {
        pool.close();
        pool.close();
        pool.join();
    }
    SUBCASE("terminated")
    {
        pool.terminate();
        terminated = true;
    }
    const auto says = [&](const std::string& verb) {
        return verb + ": the pool 'crunchers' " + (terminated ? "was terminated" : "is closed");
    };
    const std::vector pairs{std::pair(1, 2)};
    const auto ignore = [](auto&&...) {};
    CHECK_THROWS_WITH_AS(pool.apply(square, 1), says("apply").c_str(), pool_closed);
    CHECK_THROWS_WITH_AS(pool.apply_async(square, args(1)), says("apply_async").c_str(), pool_closed);
    CHECK_THROWS_WITH_AS(pool.apply_async(square, args(1), ignore, ignore), says("apply_async").c_str(), pool_closed);
    CHECK_THROWS_WITH_AS(pool.map(square, numbers(3)), says("map").c_str(), pool_closed);
    CHECK_THROWS_WITH_AS(pool.map(square, numbers(0)), says("map").c_str(), pool_closed);
    CHECK_THROWS_WITH_AS(pool.map(square, std::list{1}), says("map").c_str(), pool_closed);
    CHECK_THROWS_WITH_AS(pool.map_async(square, numbers(3)), says("map_async").c_str(), pool_closed);
    CHECK_THROWS_WITH_AS(pool.map_async(square, numbers(3), ignore, ignore), says("map_async").c_str(), pool_closed);
    CHECK_THROWS_WITH_AS(pool.starmap(add, pairs), says("starmap").c_str(), pool_closed);
    CHECK_THROWS_WITH_AS(pool.starmap_async(add, pairs), says("starmap_async").c_str(), pool_closed);
    CHECK_THROWS_WITH_AS(pool.starmap_async(add, pairs, ignore, ignore), says("starmap_async").c_str(), pool_closed);
    CHECK_THROWS_WITH_AS(pool.imap(square, numbers(3)), says("imap").c_str(), pool_closed);
    CHECK_THROWS_WITH_AS(pool.imap_unordered(square, numbers(3)), says("imap_unordered").c_str(), pool_closed);
}

TEST_CASE("join comes after close")
{
    auto pool = pools::make(2, "crunchers");
    CHECK_THROWS_WITH_AS(
        pool.join(), "join: the pool 'crunchers' is still open; close() or terminate() it first", std::logic_error);
    async_result<int> r = pool.apply_async(square, args(3));
    pool.close();
    pool.join();
    CHECK(r.ready());
    CHECK(r.get() == 9);
    pool.join(); // once more is no harm
}

TEST_CASE("leaving the scope finishes the work")
{
    std::vector<async_result<int>> handles;
    std::atomic<int> called_back{0};
    {
        auto pool = pools::make(2);
        for (int i = 0; i < 100; ++i)
            handles.push_back(pool.apply_async(square, args(i), [&](int) { ++called_back; }));
    }
    CHECK(called_back == 100);
    for (int i = 0; i < 100; ++i) {
        REQUIRE(handles[static_cast<std::size_t>(i)].ready());
        CHECK(handles[static_cast<std::size_t>(i)].get() == i * i);
    }
}

TEST_CASE("terminate ends what is queued with operation_cancelled")
{
    std::atomic<int> values{0};
    std::atomic<int> errors{0};
    std::vector<async_result<int>> handles;
    async_result<int> running;
    async_result<std::vector<int>> mapped;
    {
        auto pool = pools::make(1);
        fifo gate;
        running = pool.apply_async(fifo::pass, args(gate.path(), 1));
        for (int i = 0; i < 20; ++i)
            handles.push_back(pool.apply_async(square, args(i), [&](int) { ++values; }, [&](std::exception_ptr) { ++errors; }));
        mapped = pool.map_async(square, numbers(10));
        pool.terminate();
        gate.open();
        pool.join();
    }
    for (async_result<int>& r : handles) {
        REQUIRE(r.ready());
        CHECK_THROWS_AS(r.get(), operation_cancelled);
    }
    CHECK_THROWS_AS(mapped.get(), operation_cancelled);
    CHECK(running.ready()); // with its value or without
    CHECK(values == 0);
    CHECK(errors == 20);
}

TEST_CASE("terminate reaches an imap")
{
    auto pool = pools::make(1);
    fifo gate;
    static_cast<void>(pool.apply_async(fifo::pass, args(gate.path(), 0)));
    auto results = pool.imap(square, numbers(100), {.window = 3});
    pool.terminate();
    gate.open();
    for (int i = 0; i < 3; ++i)
        CHECK_THROWS_AS(results.next(), operation_cancelled); // what was queued
    CHECK_THROWS_AS(results.next(), pool_closed);             // what would have been next
    CHECK_FALSE(results.next());
}
