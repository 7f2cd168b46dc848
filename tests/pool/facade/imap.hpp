// Part of the facade suite: imap and imap_unordered.
#pragma once

#include "functions.hpp"

#include <tandem/tandem.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <list>
#include <ranges>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

TEST_CASE("imap gives the results in order")
{
    auto pool = pools::make(2);
    CHECK(all_of(pool.imap(square, numbers(200))) == squares(200));
    CHECK(all_of(pool.imap(square, std::views::iota(0, 50), {.chunk = 7})) == squares(50));
    CHECK(all_of(pool.imap(square, std::list{0, 1, 2}, {.chunk = 5, .window = 5})) == squares(3));
    CHECK(all_of(pool.imap([](const std::string& s) { return s + s; }, std::vector<std::string>{"a", "b"})) ==
          std::vector<std::string>{"aa", "bb"});
}

TEST_CASE("imap_unordered gives the same results")
{
    auto pool = pools::make(2);
    for (const std::size_t chunk : {1, 7}) {
        std::vector<int> r = all_of(pool.imap_unordered(square, numbers(200), {.chunk = chunk}));
        std::ranges::sort(r);
        CHECK(r == squares(200));
    }
}

TEST_CASE("a late item holds up imap, and not imap_unordered")
{
    auto pool = pools::make(2);
    fifo gate;
    constexpr auto first_waits = [](const std::pair<std::string, int>& p) {
        return p.second == 0 ? fifo::pass(p.first, 0) : p.second;
    };
    const std::vector<std::pair<std::string, int>> items{{gate.path(), 0}, {"", 1}, {"", 2}};

    SUBCASE("in order")
    {
        auto results = pool.imap(first_waits, items);
        CHECK_THROWS_AS(results.next_for(1ms), timeout_error);
        gate.open();
        CHECK(results.next() == 0);
        CHECK(results.next() == 1);
        CHECK(results.next() == 2);
        CHECK_FALSE(results.next());
    }
    SUBCASE("as they come")
    {
        auto results = pool.imap_unordered(first_waits, items);
        CHECK(results.next() == 1);
        CHECK(results.next() == 2);
        CHECK_THROWS_AS(results.next_for(1ms), timeout_error);
        gate.open();
        CHECK(results.next_for(1h) == 0);
        CHECK_FALSE(results.next_for(1h));
    }
}

TEST_CASE("imap goes on after an item that failed")
{
    auto pool = pools::make(2);
    for (const std::size_t chunk : {1, 2, 10}) {
        auto results = pool.imap(odd_only, numbers(6), {.chunk = chunk});
        for (int i = 0; i < 6; i += 2) {
            CHECK_THROWS_WITH_AS(results.next(), ("no " + std::to_string(i)).c_str(), std::runtime_error);
            CHECK(results.next() == i + 1);
        }
        CHECK_FALSE(results.next());
        CHECK_FALSE(results.next()); // the end stays the end
    }
}

TEST_CASE("imap reads an endless range as far as it must")
{
    auto pool = pools::make(2);
    int read = 0; // the range is read on this thread only
    auto endless = std::views::iota(0) | std::views::transform([&](int n) {
        ++read;
        return n;
    });
    SUBCASE("in order")
    {
        auto results = pool.imap(square, endless, {.window = 5});
        CHECK(read == 5);
        for (int i = 0; i < 20; ++i) {
            CHECK(results.next() == i * i);
            CHECK(read <= i + 1 + 5);
        }
    }
    SUBCASE("as they come")
    {
        auto results = pool.imap_unordered(square, endless, {.chunk = 2, .window = 6});
        CHECK(read == 6);
        for (int i = 0; i < 20; ++i) {
            CHECK(results.next());
            CHECK(read <= i + 1 + 6);
        }
    }
    SUBCASE("with the window that it chooses")
    {
        auto results = pool.imap(square, endless, {.chunk = 3});
        CHECK(read == 4 * 2 * 3);
    }
}

TEST_CASE("the results of an imap may be left half way")
{
    auto pool = pools::make(2);
    {
        auto results = pool.imap(square, std::views::iota(0));
        CHECK(results.next() == 0);
    }
    {
        auto unused = pool.imap_unordered(square, std::views::iota(0), {.chunk = 10});
    }
    CHECK(pool.apply(square, 3) == 9);
}
