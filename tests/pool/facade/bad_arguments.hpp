// Part of the facade suite: what is refused, and in which words.
#pragma once

#include "functions.hpp"

#include <tandem/tandem.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <stdexcept>
#include <utility>
#include <vector>

TEST_CASE("a pool has at least one worker") { CHECK_THROWS_WITH_AS(pools::make(0), pools::no_workers, std::invalid_argument); }

TEST_CASE("an option out of range is refused by name and value")
{
    auto pool = pools::make(1);
    constexpr auto minus_one = static_cast<std::size_t>(-1);
    const std::vector pairs{std::pair(1, 2)};
    CHECK_THROWS_WITH_AS(
        pool.map(square, numbers(3), {.chunk = minus_one}), "map: chunk must be at least 0, not -1", std::invalid_argument);
    CHECK_THROWS_WITH_AS(pool.map_async(square, numbers(3), {.chunk = minus_one}), "map_async: chunk must be at least 0, not -1",
        std::invalid_argument);
    CHECK_THROWS_WITH_AS(
        pool.starmap(add, pairs, {.chunk = minus_one}), "starmap: chunk must be at least 0, not -1", std::invalid_argument);
    CHECK_THROWS_WITH_AS(pool.starmap_async(add, pairs, {.chunk = minus_one}), "starmap_async: chunk must be at least 0, not -1",
        std::invalid_argument);
    CHECK_THROWS_WITH_AS(
        pool.imap(square, numbers(3), {.chunk = 0}), "imap: chunk must be at least 1, not 0", std::invalid_argument);
    CHECK_THROWS_WITH_AS(
        pool.imap(square, numbers(3), {.chunk = minus_one}), "imap: chunk must be at least 1, not -1", std::invalid_argument);
    CHECK_THROWS_WITH_AS(
        pool.imap(square, numbers(3), {.chunk = 4, .window = 3}), "imap: window must be at least 4, not 3", std::invalid_argument);
    CHECK_THROWS_WITH_AS(pool.imap_unordered(square, numbers(3), {.window = minus_one}),
        "imap_unordered: window must be at least 1, not -1", std::invalid_argument);
}

TEST_CASE("a chunk as large as can be is the whole range")
{
    auto pool = pools::make(2);
    constexpr auto huge = static_cast<std::size_t>(PTRDIFF_MAX);
    CHECK(pool.map(square, numbers(10), {.chunk = huge}) == squares(10));
    CHECK(all_of(pool.imap(square, numbers(10), {.chunk = huge})) == squares(10));
    CHECK(all_of(pool.imap(square, numbers(10), {.chunk = 4, .window = huge})) == squares(10));
}

TEST_CASE("an empty function is refused")
{
    auto pool = pools::make(1);
    int (*const none)(int) = nullptr;
    int (*const none_of_two)(int, int) = nullptr;
    const std::function<void(int)> no_callback;
    const std::function<void(std::exception_ptr)> no_error_callback;
    const std::function<void(std::vector<int>)> no_vector_callback;
    const std::vector pairs{std::pair(1, 2)};
    CHECK_THROWS_WITH_AS(pool.apply(none, 1), "apply: the function is empty", std::invalid_argument);
    CHECK_THROWS_WITH_AS(pool.apply_async(none, args(1)), "apply_async: the function is empty", std::invalid_argument);
    CHECK_THROWS_WITH_AS(
        pool.apply_async(square, args(1), no_callback), "apply_async: the callback is empty", std::invalid_argument);
    CHECK_THROWS_WITH_AS(pool.apply_async(
                             square, args(1), [](int) {}, no_error_callback),
        "apply_async: the error callback is empty", std::invalid_argument);
    CHECK_THROWS_WITH_AS(pool.map(none, numbers(1)), "map: the function is empty", std::invalid_argument);
    CHECK_THROWS_WITH_AS(pool.map_async(none, numbers(1)), "map_async: the function is empty", std::invalid_argument);
    CHECK_THROWS_WITH_AS(
        pool.map_async(square, numbers(1), no_vector_callback), "map_async: the callback is empty", std::invalid_argument);
    CHECK_THROWS_WITH_AS(pool.map_async(
                             square, numbers(1), [](const auto&) {}, no_error_callback),
        "map_async: the error callback is empty", std::invalid_argument);
    CHECK_THROWS_WITH_AS(pool.starmap(none_of_two, pairs), "starmap: the function is empty", std::invalid_argument);
    CHECK_THROWS_WITH_AS(pool.starmap_async(none_of_two, pairs), "starmap_async: the function is empty", std::invalid_argument);
    CHECK_THROWS_WITH_AS(
        pool.starmap_async(add, pairs, no_vector_callback), "starmap_async: the callback is empty", std::invalid_argument);
    CHECK_THROWS_WITH_AS(pool.imap(none, numbers(1)), "imap: the function is empty", std::invalid_argument);
    CHECK_THROWS_WITH_AS(pool.imap_unordered(none, numbers(1)), "imap_unordered: the function is empty", std::invalid_argument);
}
