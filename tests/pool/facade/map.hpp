// Part of the facade suite: map, map_async, starmap and starmap_async.
#pragma once

#include "functions.hpp"

#include <tandem/tandem.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <exception>
#include <list>
#include <map>
#include <ranges>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

TEST_CASE("map gives the results in the order of the range")
{
    auto pool = pools::make(2);
    CHECK(pool.map(square, numbers(1000)) == squares(1000));
    CHECK(pool.map(square, std::views::iota(0, 100)) == squares(100));
    CHECK(pool.map([](const std::string& s) { return s.size(); }, std::vector<std::string>{"", "a", "bc"}) ==
          std::vector<std::size_t>{0, 1, 2});
    CHECK(pool.map([](const std::string& s) { return s + s; }, std::list<std::string>{"a", "b"}) ==
          std::vector<std::string>{"aa", "bb"});
    const std::map<int, std::string> names{{1, "one"}, {2, "two"}};
    CHECK(pool.map([](const std::pair<const int, std::string>& p) { return p.second; }, names) ==
          std::vector<std::string>{"one", "two"});
    CHECK(pool.map(square, numbers(1)) == std::vector{0});
    CHECK(pool.map([](int n) { return n > 1; }, numbers(4)) == std::vector<bool>{false, false, true, true});
}

TEST_CASE("map of nothing gives nothing")
{
    auto pool = pools::make(2);
    const std::vector<int> none;
    CHECK(pool.map(square, none).empty());
    CHECK(pool.map_async(square, none).get().empty());
    CHECK(pool.starmap(add, std::vector<std::pair<int, int>>{}).empty());
    CHECK(pool.starmap_async(add, std::vector<std::pair<int, int>>{}).get().empty());
    CHECK_FALSE(pool.imap(square, none).next());
    CHECK_FALSE(pool.imap_unordered(square, none).next());
    CHECK(pool.map(square, std::list<int>{}).empty());
    pool.map(nothing, none);
}

TEST_CASE("map of a function without a result")
{
    auto pool = pools::make(2);
    static_assert(std::is_void_v<decltype(pool.map(nothing, numbers(3)))>);
    pool.map(nothing, numbers(100));
    pool.map_async(nothing, numbers(100)).get();
    bool called = false;
    pool.map_async(nothing, numbers(100), [&] { called = true; }).get();
    CHECK(called);
    pool.starmap([](int, int) {}, std::vector{std::pair(1, 2)});
    int n = 0;
    for (auto&& unit : pool.imap(nothing, numbers(10))) {
        static_cast<void>(unit);
        ++n;
    }
    CHECK(n == 10);
}

TEST_CASE("the chunk size changes nothing in the result")
{
    auto pool = pools::make(2);
    for (const std::size_t chunk : {0, 1, 7, 1000, 100'000}) {
        CAPTURE(chunk);
        CHECK(pool.map(square, numbers(500), {.chunk = chunk}) == squares(500));
        CHECK(pool.map_async(square, numbers(500), {.chunk = chunk}).get() == squares(500));
        CHECK(pool.map(square, std::list{0, 1, 2}, {.chunk = chunk}) == squares(3));
    }
}

TEST_CASE("starmap unpacks pairs and tuples")
{
    auto pool = pools::make(2);
    CHECK(pool.starmap(add, std::vector{std::pair(1, 2), std::pair(3, 4)}) == std::vector{3, 7});
    const std::vector<std::tuple<std::string, int, char>> rows{{"a", 2, 'x'}, {"b", 3, 'y'}};
    constexpr auto join = [](const std::string& s, int n, char c) { return s + std::to_string(n) + c; };
    CHECK(pool.starmap(join, rows) == std::vector<std::string>{"a2x", "b3y"});
    CHECK(pool.starmap(join, rows, {.chunk = 1}) == std::vector<std::string>{"a2x", "b3y"});
    CHECK(pool.starmap_async(join, rows).get() == std::vector<std::string>{"a2x", "b3y"});
    CHECK(pool.starmap_async(add, std::list{std::pair(1, 2)}).get() == std::vector{3});
}

TEST_CASE("map_async and starmap_async call back")
{
    auto pool = pools::make(2);
    std::vector<int> seen;
    std::string error;
    const auto then = [&](const std::vector<int>& v) { seen = v; };
    const auto on_error = [&](std::exception_ptr e) { error = test::text_of(e); };
    const std::vector pairs{std::pair(0, 0), std::pair(0, 1), std::pair(2, 2)};

    SUBCASE("map_async") { CHECK(pool.map_async(square, numbers(3), then).get() == squares(3)); }
    SUBCASE("map_async with both") { CHECK(pool.map_async(square, numbers(3), then, on_error).get() == squares(3)); }
    SUBCASE("map_async with options") { CHECK(pool.map_async(square, numbers(3), {.chunk = 1}, then).get() == squares(3)); }
    SUBCASE("map_async with all") { CHECK(pool.map_async(square, numbers(3), {.chunk = 1}, then, on_error).get() == squares(3)); }
    SUBCASE("starmap_async") { CHECK(pool.starmap_async(add, pairs, then).get() == squares(3)); }
    SUBCASE("starmap_async with both") { CHECK(pool.starmap_async(add, pairs, then, on_error).get() == squares(3)); }
    SUBCASE("starmap_async with options") { CHECK(pool.starmap_async(add, pairs, {.chunk = 1}, then).get() == squares(3)); }
    SUBCASE("starmap_async with all") { CHECK(pool.starmap_async(add, pairs, {.chunk = 1}, then, on_error).get() == squares(3)); }
    CHECK(seen == squares(3));
    CHECK(error.empty());
}

TEST_CASE("a map that fails calls back with the error")
{
    auto pool = pools::make(2);
    bool called = false;
    std::string error;
    const auto then = [&](const std::vector<int>&) { called = true; };
    const auto on_error = [&](std::exception_ptr e) { error = test::text_of(e); };
    async_result<std::vector<int>> r;
    SUBCASE("map_async") { r = pool.map_async(fails, std::vector{1}, then, on_error); }
    SUBCASE("starmap_async")
    {
        r = pool.starmap_async([](int n, int) { return fails(n); }, std::vector{std::pair(1, 1)}, then, on_error);
    }
    CHECK_THROWS_WITH_AS(r.get(), "no 1", std::runtime_error);
    CHECK_FALSE(called);
    CHECK(error == "no 1");
}
