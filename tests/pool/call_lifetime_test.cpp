// What becomes of a call's function, arguments, callbacks and result: how often they are copied and moved, and when they go.
#include "support.hpp"

#include <tandem/pool/thread_pool.hpp>

#include <doctest/doctest.h>

#include <exception>
#include <functional>
#include <memory>

using namespace tandem;

TEST_CASE("an argument is copied once, or only moved")
{
    test::tally count;
    {
        thread_pool pool{2};
        const test::tracked a(count, 5);
        const auto value_of = [](const test::tracked& x) { return x.value; };
        SUBCASE("apply, a copy")
        {
            CHECK(pool.apply(value_of, a) == 5);
            CHECK(count.copies == 1);
        }
        SUBCASE("apply_async, a copy")
        {
            CHECK(pool.apply_async(value_of, args(a)).get() == 5);
            CHECK(count.copies == 1);
        }
        SUBCASE("apply, moved")
        {
            CHECK(pool.apply(value_of, test::tracked(count, 6)) == 6);
            CHECK(count.copies == 0);
        }
        SUBCASE("apply_async, moved")
        {
            CHECK(pool.apply_async(value_of, args(test::tracked(count, 6))).get() == 6);
            CHECK(count.copies == 0);
        }
        SUBCASE("a reference")
        {
            CHECK(pool.apply(value_of, std::ref(a)) == 5);
            CHECK(count.copies == 0);
            CHECK(count.moves == 0);
        }
        CHECK(count.moves <= 6);
        CHECK(count.alive == 1);
    }
    CHECK(count.alive == 0);
}

TEST_CASE("a result is moved, and never copied")
{
    test::tally count;
    {
        thread_pool pool{2};
        const auto make = [&] { return test::tracked(count, 1); };
        SUBCASE("apply")
        {
            const test::tracked r = pool.apply(make);
            CHECK(r.value == 1);
            CHECK(count.moves <= 1);
        }
        SUBCASE("apply_async")
        {
            async_result<test::tracked> h = pool.apply_async(make);
            const test::tracked r = h.get();
            CHECK(r.value == 1);
            CHECK(count.moves <= 1);
        }
        SUBCASE("with a callback that takes a reference")
        {
            int seen = 0;
            const test::tracked r = pool.apply_async(make, {}, [&](const test::tracked& x) { seen = x.value; }).get();
            CHECK(r.value == 1);
            CHECK(seen == 1);
        }
        SUBCASE("of a coroutine")
        {
            const test::tracked r = pool.apply([&]() -> task<test::tracked> { co_return make(); });
            CHECK(r.value == 1);
            CHECK(count.moves <= 4);
        }
        SUBCASE("that nobody takes") { static_cast<void>(pool.apply_async(make)); }
        CHECK(count.copies == 0);
    }
    CHECK(count.alive == 0);
}

TEST_CASE("the function and its arguments are gone when the result is there")
{
    thread_pool pool{1};
    for (int i = 0; i < 100; ++i) {
        const auto watched = std::make_shared<int>(1);
        CHECK(pool.apply([watched](const std::shared_ptr<int>&) { return 1; }, watched) == 1);
        REQUIRE(watched.use_count() == 1);

        async_result<int> r = pool.apply_async([watched](const std::shared_ptr<int>&) { return 1; }, args(watched));
        r.wait();
        REQUIRE(watched.use_count() == 1); // the handle is still there

        async_result<int> c = pool.apply_async([watched](std::shared_ptr<int>) -> task<int> { co_return 1; }, args(watched));
        c.wait();
        REQUIRE(watched.use_count() == 1);

        async_result<int> f = pool.apply_async([watched](const std::shared_ptr<int>&) -> int { throw 1; }, args(watched));
        f.wait();
        REQUIRE(watched.use_count() == 1);
        CHECK_FALSE(f.successful());
    }
}

TEST_CASE("the callbacks are gone when the result is there")
{
    thread_pool pool{1};
    const auto watched = std::make_shared<int>(1);
    for (int i = 0; i < 100; ++i) {
        async_result<int> r = pool.apply_async([] { return 1; }, {}, [watched](int) {}, [watched](std::exception_ptr) {});
        r.wait();
        REQUIRE(watched.use_count() == 1);
    }
}

TEST_CASE("a call that was never let in destroys what it was given")
{
    thread_pool pool{1};
    pool.close();
    const auto watched = std::make_shared<int>(1);
    CHECK_THROWS_AS(pool.apply_async([watched](const std::shared_ptr<int>&) {}, args(watched)), pool_closed);
    CHECK(watched.use_count() == 1);
}
