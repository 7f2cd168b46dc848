// Part of the facade suite: apply, apply_async and their callbacks.
#pragma once

#include "functions.hpp"

#include <tandem/tandem.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <exception>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

TEST_CASE("apply calls a function in the pool and returns what it returns")
{
    auto pool = pools::make(2);
    CHECK(pool.size() == 2);
    CHECK(pool.apply(square, 7) == 49);
    CHECK(pool.apply(&add, 2, 3) == 5);
    CHECK(pool.apply([] { return 42; }) == 42);
    CHECK(pool.apply([](const std::string& a, std::string b) { return a + b; }, std::string("ab"), "cd") == "abcd");
    CHECK(pool.apply(add, args(20, 22)) == 42);
    pool.apply(nothing, 1);
    static_assert(std::is_void_v<decltype(pool.apply(nothing, 1))>);
}

TEST_CASE("what a function throws comes out as it was thrown")
{
    auto pool = pools::make(2);
    CHECK_THROWS_WITH_AS(pool.apply([] { throw std::runtime_error("a"); }), "a", std::runtime_error);
    CHECK_THROWS_WITH_AS(pool.apply([] { throw std::range_error("b"); }), "b", std::range_error);
    CHECK_THROWS_WITH_AS(pool.apply([] { throw std::overflow_error("c"); }), "c", std::overflow_error);
    CHECK_THROWS_WITH_AS(pool.apply([] { throw std::underflow_error("d"); }), "d", std::underflow_error);
    CHECK_THROWS_WITH_AS(pool.apply([] { throw std::logic_error("e"); }), "e", std::logic_error);
    CHECK_THROWS_WITH_AS(pool.apply([] { throw std::invalid_argument("f"); }), "f", std::invalid_argument);
    CHECK_THROWS_WITH_AS(pool.apply([] { throw std::domain_error("g"); }), "g", std::domain_error);
    CHECK_THROWS_WITH_AS(pool.apply([] { throw std::length_error("h"); }), "h", std::length_error);
    CHECK_THROWS_WITH_AS(pool.apply([] { throw std::out_of_range("i"); }), "i", std::out_of_range);
    CHECK_THROWS_AS(pool.apply([] { throw std::bad_alloc(); }), std::bad_alloc);
    try {
        pool.apply([] { throw std::system_error(std::make_error_code(std::errc::no_such_file_or_directory), "lost"); });
        FAIL("nothing was thrown");
    }
    catch (const std::system_error& e) {
        CHECK(e.code() == std::errc::no_such_file_or_directory);
        CHECK(std::string(e.what()).starts_with("lost"));
    }
    CHECK(pool.apply(square, 3) == 9); // none of it harms the pool
}

TEST_CASE("every verb rethrows as it was thrown")
{
    auto pool = pools::make(2);
    const std::vector one{1};
    const std::vector pair{std::pair(1, 2)};
    constexpr auto fails_twice = [](int, int) -> int { throw std::out_of_range("twice"); };
    CHECK_THROWS_WITH_AS(pool.apply(fails, 1), "no 1", std::runtime_error);
    CHECK_THROWS_WITH_AS(pool.apply_async(fails, args(1)).get(), "no 1", std::runtime_error);
    CHECK_THROWS_WITH_AS(pool.map(fails, one), "no 1", std::runtime_error);
    CHECK_THROWS_WITH_AS(pool.map_async(fails, one).get(), "no 1", std::runtime_error);
    CHECK_THROWS_WITH_AS(pool.starmap(fails_twice, pair), "twice", std::out_of_range);
    CHECK_THROWS_WITH_AS(pool.starmap_async(fails_twice, pair).get(), "twice", std::out_of_range);
    CHECK_THROWS_WITH_AS(pool.imap(fails, one).next(), "no 1", std::runtime_error);
    CHECK_THROWS_WITH_AS(pool.imap_unordered(fails, one).next(), "no 1", std::runtime_error);
}

TEST_CASE("apply_async gives a handle at once")
{
    auto pool = pools::make(2);
    async_result<int> four = pool.apply_async(square, args(2));
    async_result<std::string> text = pool.apply_async([](int n) { return std::to_string(n); }, args(12));
    async_result<void> none = pool.apply_async(nothing, args(1));
    async_result<int> bare = pool.apply_async([] { return 1; });
    CHECK(four.get() == 4);
    CHECK(text.get() == "12");
    none.get();
    CHECK(bare.get() == 1);
}

TEST_CASE("many calls, each with its own result")
{
    auto pool = pools::make(2);
    std::vector<async_result<int>> handles;
    for (int i = 0; i < 1000; ++i)
        handles.push_back(pool.apply_async(square, args(i)));
    for (int i = 0; i < 1000; ++i)
        REQUIRE(handles[static_cast<std::size_t>(i)].get() == i * i);
}

TEST_CASE("a callback gets the result before the handle is ready")
{
    auto pool = pools::make(2);
    int seen = 0; // plain: the handle orders it
    CHECK(pool.apply_async(square, args(5), [&](int r) { seen = r; }).get() == 25);
    CHECK(seen == 25);

    bool called = false;
    pool.apply_async(nothing, args(5), [&] { called = true; }).get();
    CHECK(called);

    std::string text;
    CHECK(pool.apply_async(
                  [] { return std::string("a long text, so that it is on the heap"); }, {}, [&](const std::string& s) { text = s; })
              .get() == "a long text, so that it is on the heap");
    CHECK(text == "a long text, so that it is on the heap");
}

TEST_CASE("of two callbacks the one that fits is called")
{
    auto pool = pools::make(2);
    int value = 0;
    std::string error;
    const auto then = [&](int r) { value = r; };
    const auto on_error = [&](std::exception_ptr e) { error = test::text_of(e); };

    SUBCASE("the result")
    {
        CHECK(pool.apply_async(square, args(3), then, on_error).get() == 9);
        CHECK(value == 9);
        CHECK(error.empty());
    }
    SUBCASE("the error")
    {
        CHECK_THROWS_WITH_AS(pool.apply_async(fails, args(3), then, on_error).get(), "no 3", std::runtime_error);
        CHECK(value == 0);
        CHECK(error == "no 3");
    }
    SUBCASE("the error, when there is no callback for it")
    {
        CHECK_THROWS_WITH_AS(pool.apply_async(fails, args(3), then).get(), "no 3", std::runtime_error);
        CHECK(value == 0);
    }
}

TEST_CASE("a callback may give the pool more to do")
{
    auto pool = pools::make(1);
    async_result<int> second;
    int nested = 0;
    pool.apply_async(square, args(3),
            [&](int r) {
                second = pool.apply_async(square, args(r));
                nested = pool.apply(square, 2);
            })
        .get();
    CHECK(second.get() == 81);
    CHECK(nested == 4);
}

TEST_CASE("what a callback throws goes to the hook, and harms nothing")
{
    test::error_log log;
    auto pool = pools::make(2, "crew", log.hook());
    CHECK(pool.apply_async(square, args(3), [](int) { throw std::runtime_error("from the callback"); }).get() == 9);
    CHECK(log.texts() == std::vector<std::string>{"from the callback"});
    CHECK_THROWS_WITH(
        pool.apply_async(fails, args(1), [](int) {}, [](std::exception_ptr) { throw std::logic_error("twice"); }).get(), "no 1");
    CHECK(log.texts() == std::vector<std::string>{"from the callback", "twice"});
    CHECK(
        pool.map_async(square, numbers(3), [](const std::vector<int>&) { throw std::logic_error("thrice"); }).get() == squares(3));
    CHECK(log.texts() == std::vector<std::string>{"from the callback", "twice", "thrice"});
    CHECK(pool.apply(square, 3) == 9);
}

TEST_CASE("a dropped handle detaches: the call runs to its end, and its error goes to the hook")
{
    test::error_log log;
    std::atomic<int> called{0};
    {
        auto pool = pools::make(2, "crew", log.hook());
        for (int i = 0; i < 10; ++i)
            static_cast<void>(pool.apply_async(square, args(i), [&](int) { ++called; }));
        static_cast<void>(pool.apply_async(fails, args(7)));
        static_cast<void>(pool.map_async(fails, std::vector{8}));
    }
    CHECK(called == 10);
    CHECK(log.sorted() == std::vector<std::string>{"no 7", "no 8"});
}

TEST_CASE("an error that somebody saw is not reported")
{
    test::error_log log;
    {
        auto pool = pools::make(1, "crew", log.hook());
        CHECK_THROWS(pool.apply(fails, 1));
        CHECK_THROWS(pool.apply_async(fails, args(2)).get());
        static_cast<void>(pool.apply_async(fails, args(3), [](int) {}, [](std::exception_ptr) {}));
        const async_result<int> asked = pool.apply_async(fails, args(4));
        asked.wait();
        CHECK_FALSE(asked.successful());
    }
    CHECK(log.texts().empty());
}

TEST_CASE("the error of a handle that was waited for, but not looked at, is reported")
{
    test::error_log log;
    {
        auto pool = pools::make(1, "crew", log.hook());
        const async_result<int> waited = pool.apply_async(fails, args(5));
        waited.wait();
        CHECK(waited.ready());
        CHECK(log.texts().empty()); // somebody may still look
    }
    CHECK(log.texts() == std::vector<std::string>{"no 5"});
}
