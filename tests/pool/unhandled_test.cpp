// thread_pool_options::unhandled: the errors that nobody will see, each once.
#include "support.hpp"

#include <tandem/pool/co_spawn.hpp>
#include <tandem/pool/thread_pool.hpp>
#include <tandem/task/sync_wait.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace tandem;
using texts = std::vector<std::string>;

namespace {

void fail(const char* text) { throw std::runtime_error(text); }
task<void> fail_later(const char* text)
{
    fail(text);
    co_return;
}

thread_pool pool_with(test::error_log& log, std::size_t threads = 2)
{
    return thread_pool({.threads = threads, .unhandled = log.hook()});
}

} // namespace

TEST_CASE("a call that is dropped at once, and one that is dropped after it has ended")
{
    test::error_log log;
    {
        thread_pool pool = pool_with(log);
        static_cast<void>(pool.apply_async(fail, args("at once")));
        async_result<void> r = pool.apply_async(fail, args("after"));
        r.wait();
        r = {};
        static_cast<void>(pool.apply_async(fail_later, args("of a coroutine")));
        static_cast<void>(co_spawn(pool, fail_later("of a task")));
    }
    CHECK(log.sorted() == texts{"after", "at once", "of a coroutine", "of a task"});
}

TEST_CASE("a handle dropped after its pool has gone")
{
    test::error_log log;
    async_result<void> r;
    {
        thread_pool pool = pool_with(log);
        r = pool.apply_async(fail, args("late"));
    }
    CHECK(log.texts().empty());
    r = {};
    CHECK(log.texts() == texts{"late"});
}

TEST_CASE("what is seen is not reported")
{
    test::error_log log;
    {
        thread_pool pool = pool_with(log);
        CHECK_THROWS(pool.apply(fail, "apply"));
        async_result<void> r = pool.apply_async(fail, args("get"));
        CHECK_THROWS(r.get());
        CHECK_THROWS(pool.apply_async(fail, args("get_for")).get_for(std::chrono::hours(1)));
        CHECK_THROWS(sync_wait(pool.apply_async(fail, args("co_await"))));
        CHECK_THROWS(pool.map([](int) { fail("map"); }, std::vector{1, 2, 3}));
        CHECK_THROWS(pool.map_async([](int) { fail("map_async"); }, std::vector{1, 2, 3}).get());
        CHECK_THROWS(pool.imap([](int) { fail("imap"); }, std::vector{1, 2, 3}).next()); // two are left half way
        static_cast<void>(pool.apply_async(fail, args("error callback"), [] {}, [](std::exception_ptr) {}));
    }
    CHECK(log.texts().empty());
}

TEST_CASE("looking before the call has ended does not count")
{
    test::error_log log;
    test::gate gate;
    {
        thread_pool pool = pool_with(log, 1);
        async_result<void> r = pool.apply_async([&] {
            gate.pass();
            fail("unseen");
        });
        CHECK_FALSE(r.successful());
        CHECK_FALSE(r.ready());
        CHECK_THROWS_AS(r.get_for(std::chrono::seconds(0)), timeout_error);
        gate.open();
        r.wait();
    }
    CHECK(log.texts() == texts{"unseen"});
}

TEST_CASE("an error callback that throws, and one of a call that was dropped")
{
    test::error_log log;
    {
        thread_pool pool = pool_with(log);
        static_cast<void>(pool.apply_async(fail, args("first"), [] {}, [](std::exception_ptr) { fail("second"); }));
    }
    CHECK(log.texts() == texts{"second"}); // the callback has seen the first
}

TEST_CASE("a call that was cancelled is no news")
{
    test::error_log log;
    test::gate gate;
    {
        thread_pool pool = pool_with(log, 1);
        static_cast<void>(pool.apply_async([&] { gate.pass(); }));
        for (int i = 0; i < 5; ++i) {
            const async_result<void> r = pool.apply_async([] {});
            r.cancel();
        }
        for (int i = 0; i < 5; ++i)
            static_cast<void>(pool.apply_async([] {}));
        pool.terminate();
        gate.open();
    }
    CHECK(log.texts().empty());
}

TEST_CASE("a hook that throws itself harms nothing")
{
    std::atomic<int> calls{0};
    {
        thread_pool pool({.threads = 1, .unhandled = [&](std::exception_ptr) {
                              ++calls;
                              throw std::logic_error("(a line on stderr, from the test of a hook that throws)");
                          }});
        static_cast<void>(pool.apply_async(fail, args("x")));
        static_cast<void>(pool.apply_async(fail, args("y")));
    }
    CHECK(calls == 2);
}

TEST_CASE("a hook may use the pool")
{
    std::atomic<int> sum{0};
    thread_pool* p = nullptr;
    thread_pool pool({.threads = 1, .unhandled = [&](std::exception_ptr) { sum += p->apply([] { return 5; }); }});
    p = &pool;
    pool.apply_async([] {}, {}, [] { fail("in a callback"); }).get();
    CHECK(sum == 5);
}

TEST_CASE("a progress function that throws")
{
    test::error_log log;
    thread_pool pool = pool_with(log);
    const auto bad = [](std::size_t, std::size_t) { fail("no progress"); };
    CHECK(pool.map([](int n) { return n; }, std::vector{1, 2, 3}, {.chunk = 3, .progress = bad}) == std::vector{1, 2, 3});
    CHECK(log.texts() == texts{"no progress"});
}

TEST_CASE("without a hook the error is a line on stderr, and nothing else happens")
{
    thread_pool pool{1};
    static_cast<void>(pool.apply_async(fail, args("(a line on stderr, from the test of unhandled errors)")));
    static_cast<void>(pool.apply_async([] { throw 1; }));
}
