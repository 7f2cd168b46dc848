// One suite for every kind of pool. The file that includes this defines, before that and in its anonymous namespace:
//
//     struct pools {
//         static constexpr const char* no_workers = "…"; // what it says when it is asked for none
//         static … make(std::size_t workers, std::string name = "crew", unique_function<void(std::exception_ptr)> unhandled = {});
//     };
//
// What is given to a pool here may cross to another process: functions and captureless lambdas, std types as arguments and results.
// A call that must not end yet waits at a FIFO. Callbacks, progress and the `unhandled` hook run in this process.
#pragma once

#include "support.hpp"

#include <tandem/tandem.hpp>

#include <doctest/doctest.h>

#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <list>
#include <map>
#include <new>
#include <numeric>
#include <optional>
#include <ranges>
#include <stdexcept>
#include <string>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

using namespace tandem;
using namespace std::chrono_literals;

namespace {

int square(int n) { return n * n; }
int add(int a, int b) { return a + b; }
void nothing(int) {}
int fails(int n) { throw std::runtime_error("no " + std::to_string(n)); }
int odd_only(int n) { return n % 2 == 1 ? n : fails(n); }

/// Holds up calls, in this process or another, until it is opened; its destructor opens it. Declared after the pool, so that no failed
/// test leaves a worker waiting.
class fifo {
public:
    fifo()
    {
        REQUIRE(::mkdtemp(folder_.data()) != nullptr);
        path_ = folder_ + "/gate";
        REQUIRE(::mkfifo(path_.c_str(), 0600) == 0);
    }
    fifo(const fifo&) = delete;
    fifo& operator=(const fifo&) = delete;
    ~fifo()
    {
        open();
        ::close(fd_);
        ::unlink(path_.c_str());
        ::rmdir(folder_.c_str());
    }

    void open()
    {
        if (fd_ < 0)
            fd_ = ::open(path_.c_str(), O_RDWR | O_CLOEXEC); // a writer, for whom all readers wait
    }
    [[nodiscard]] const std::string& path() const { return path_; }

    /// What a call does to wait at the gate.
    static int pass(const std::string& path, int value)
    {
        int fd = -1;
        do
            fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
        while (fd < 0 && errno == EINTR);
        if (fd >= 0)
            ::close(fd);
        return value;
    }

private:
    std::string folder_ = "/tmp/tandem-test-XXXXXX";
    std::string path_;
    int fd_ = -1;
};

std::vector<int> numbers(int n)
{
    std::vector<int> v(static_cast<std::size_t>(n));
    std::iota(v.begin(), v.end(), 0);
    return v;
}

std::vector<int> squares(int n)
{
    std::vector<int> v;
    for (int i = 0; i < n; ++i)
        v.push_back(square(i));
    return v;
}

template <class R>
std::vector<R> all_of(imap_results<R>&& results)
{
    std::vector<R> v;
    for (R& r : results)
        v.push_back(std::move(r));
    return v;
}

} // namespace

// --- apply -------------------------------------------------------------------------------------------------------------------

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

// --- apply_async -------------------------------------------------------------------------------------------------------------

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

// --- the handle --------------------------------------------------------------------------------------------------------------

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

// --- map ---------------------------------------------------------------------------------------------------------------------

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

// --- imap --------------------------------------------------------------------------------------------------------------------

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

// --- the end -----------------------------------------------------------------------------------------------------------------

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

// --- bad arguments -----------------------------------------------------------------------------------------------------------

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
