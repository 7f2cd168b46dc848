// apply and apply_async with what only threads can share: any callable, any argument, any result.
#include "support.hpp"

#include <tandem/io/sleep.hpp>
#include <tandem/pool/thread_pool.hpp>

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

using namespace tandem;
using namespace std::chrono_literals;

namespace {

struct account {
    int balance = 0;
    int add(int n) { return balance += n; }
    [[nodiscard]] int twice() const { return 2 * balance; }
};

struct search {
    std::string_view text;
    int depth = 1;
    bool reversed = false;
};
std::string describe(const search& s) { return std::string(s.text) + std::to_string(s.depth) + (s.reversed ? "r" : ""); }

struct no_default {
    explicit no_default(int v) : value(v) {}
    int value;
};

struct alignas(64) wide {
    std::array<double, 8> values{};
    [[nodiscard]] bool aligned() const { return reinterpret_cast<std::uintptr_t>(this) % alignof(wide) == 0; }
};

// Awaited once before its argument is used, so that the argument must live as long as the coroutine.
task<std::string> doubled(const std::string& s)
{
    co_await sleep_for(0s);
    co_return s + s;
}
task<int> one_more(int n) { co_return n + 1; }
task<void> sets(bool& flag)
{
    flag = true;
    co_return;
}
task<int> fails_later()
{
    co_await sleep_for(0s);
    throw std::out_of_range("later");
}

} // namespace

TEST_CASE("arguments and results may be move-only")
{
    thread_pool pool{2};
    constexpr auto increment = [](std::unique_ptr<int> p) {
        ++*p;
        return p;
    };
    CHECK(*pool.apply(increment, std::make_unique<int>(1)) == 2);
    CHECK(*pool.apply_async(increment, args(std::make_unique<int>(2))).get() == 3);

    int seen = 0;
    async_result<std::unique_ptr<int>> r =
        pool.apply_async(increment, args(std::make_unique<int>(3)), [&](const std::unique_ptr<int>& p) { seen = *p; });
    CHECK(*r.get() == 4);
    CHECK(seen == 4);
}

TEST_CASE("a function may be move-only")
{
    thread_pool pool{2};
    CHECK(pool.apply([p = std::make_unique<int>(5)] { return *p; }) == 5);
    CHECK(pool.apply_async([p = std::make_unique<int>(6)](int n) { return *p + n; }, args(1)).get() == 7);
    unique_function<int(int)> f = [p = std::make_unique<int>(7)](int n) { return *p * n; };
    CHECK(pool.apply(std::move(f), 2) == 14);
    bool called = false;
    pool.apply_async([] {}, {}, [p = std::make_unique<int>(8), &called] { called = *p == 8; }).get();
    CHECK(called);
}

TEST_CASE("an empty wrapper of a function is refused, whatever its kind")
{
    thread_pool pool{1};
    CHECK_THROWS_WITH_AS(pool.apply(std::function<int()>{}), "apply: the function is empty", std::invalid_argument);
    CHECK_THROWS_WITH_AS(pool.apply(unique_function<int()>{}), "apply: the function is empty", std::invalid_argument);
    int (account::* const none)(int) = nullptr;
    CHECK_THROWS_WITH_AS(pool.apply(none, account{}, 1), "apply: the function is empty", std::invalid_argument);
    CHECK_THROWS_WITH_AS(static_cast<void>(pool.try_apply_async(std::function<int()>{})), "try_apply_async: the function is empty",
        std::invalid_argument);
    CHECK_THROWS_WITH_AS(pool.starmap(std::function<int(int, int)>{}, std::vector{std::pair(1, 2)}),
        "starmap: the function is empty", std::invalid_argument);
}

TEST_CASE("std::ref passes a reference, everything else a copy")
{
    thread_pool pool{2};
    int n = 1;
    pool.apply([](int& i) { i = 2; }, std::ref(n));
    CHECK(n == 2);
    pool.apply_async([](int& i) { i = 3; }, args(std::ref(n))).get();
    CHECK(n == 3);
    const auto is_n = [&](const int& i) { return &i == &n; };
    CHECK(pool.apply(is_n, std::cref(n)));
    CHECK_FALSE(pool.apply(is_n, n));

    std::string s = "before";
    test::gate gate;
    async_result<std::string> r = pool.apply_async(
        [&](const std::string& copy) {
            gate.pass();
            return copy;
        },
        args(s));
    s = "after";
    gate.open();
    CHECK(r.get() == "before");
}

TEST_CASE("results may be references")
{
    thread_pool pool{2};
    int n = 1;
    const auto get = [&]() -> int& { return n; };
    static_assert(std::is_same_v<decltype(pool.apply(get)), int&>);
    CHECK(&pool.apply(get) == &n);
    async_result<int&> r = pool.apply_async(get);
    CHECK(&r.get() == &n);
    int* seen = nullptr;
    pool.apply_async(get, {}, [&](int& i) { seen = &i; }).get();
    CHECK(seen == &n);
    CHECK(&pool.apply(get) == &n);
}

TEST_CASE("results need no default constructor, and may be bool or const")
{
    thread_pool pool{2};
    CHECK(pool.apply([] { return no_default(3); }).value == 3);
    CHECK(pool.apply_async([] { return no_default(4); }).get().value == 4);
    CHECK(pool.apply([] { return true; }));
    const auto text = []() -> const std::string { return "const"; };
    CHECK(pool.apply(text) == "const");
    CHECK(pool.apply_async(text).get() == "const");
}

TEST_CASE("member functions and data members are functions of their object")
{
    thread_pool pool{2};
    account a{10};
    CHECK(pool.apply(&account::add, std::ref(a), 5) == 15);
    CHECK(pool.apply(&account::add, &a, 5) == 20);
    CHECK(pool.apply(&account::add, a, 5) == 25); // of the copy
    CHECK(a.balance == 20);
    CHECK(pool.apply_async(&account::twice, args(&a)).get() == 40);
    CHECK(pool.apply(&account::balance, std::cref(a)) == 20);
}

TEST_CASE("args and a struct with designated initialisers, for keyword arguments")
{
    thread_pool pool{2};
    CHECK(pool.apply(describe, search{.text = "a", .reversed = true}) == "a1r");
    CHECK(pool.apply(describe, args(search{.text = "b", .depth = 2})) == "b2");
    CHECK(pool.apply_async(describe, args(search{.text = "c", .depth = 3})).get() == "c3");
    CHECK(pool.apply([](std::pair<int, int> p, std::tuple<int> t) { return p.first + std::get<0>(t); }, std::pair(1, 2),
              std::tuple(3)) == 4);
    CHECK(pool.apply([](std::tuple<int> t) { return std::get<0>(t); }, std::tuple(3)) == 3); // one argument, which is a tuple
}

TEST_CASE("a coroutine function is awaited, and its arguments live as long as it does")
{
    thread_pool pool{2};
    CHECK(pool.apply(doubled, std::string("ab")) == "abab");
    CHECK(pool.apply(one_more, 1) == 2);
    CHECK(pool.apply_async(doubled, args(std::string(100, 'x'))).get() == std::string(200, 'x'));
    bool flag = false;
    pool.apply(sets, std::ref(flag));
    CHECK(flag);
    CHECK_THROWS_WITH_AS(pool.apply(fails_later), "later", std::out_of_range);
    CHECK_THROWS_WITH_AS(pool.apply_async(fails_later).get(), "later", std::out_of_range);

    std::string seen;
    pool.apply_async(doubled, args(std::string("cd")), [&](const std::string& s) { seen = s; }).get();
    CHECK(seen == "cdcd");
    std::string error;
    CHECK_THROWS(pool.apply_async(fails_later, {}, [](int) {}, [&](std::exception_ptr e) { error = test::text_of(e); }).get());
    CHECK(error == "later");
}

TEST_CASE("a lambda coroutine may use its captures")
{
    thread_pool pool{2};
    const std::string captured(100, 'y');
    CHECK(pool.apply(
              [captured](int n) -> task<std::string> {
                  co_await sleep_for(0s);
                  co_return captured.substr(0, static_cast<std::size_t>(n));
              },
              3) == "yyy");
    CHECK(*pool.apply([p = std::make_unique<int>(5)]() -> task<std::unique_ptr<int>> {
        co_await sleep_for(0s);
        co_return std::make_unique<int>(*p + 1);
    }) == 6);
}

TEST_CASE("a coroutine function that throws before its first suspension, or instead of giving a task")
{
    thread_pool pool{1};
    const auto not_even_a_task = [](int n) -> task<int> {
        if (n < 0)
            throw std::invalid_argument("negative");
        return one_more(n);
    };
    CHECK(pool.apply(not_even_a_task, 1) == 2);
    CHECK_THROWS_WITH_AS(pool.apply(not_even_a_task, -1), "negative", std::invalid_argument);
    CHECK_THROWS_WITH_AS(pool.apply([]() -> task<int> {
        throw std::runtime_error("at once");
        co_return 1;
    }),
        "at once", std::runtime_error);
}

TEST_CASE("a function that gives a handle is awaited too")
{
    thread_pool pool{1};
    CHECK(pool.apply([&](int n) { return pool.apply_async(one_more, args(n)); }, 4) == 5);
}

TEST_CASE("anything may be thrown")
{
    thread_pool pool{1};
    struct odd {
        int value;
    };
    try {
        pool.apply([] { throw odd{3}; });
        FAIL("nothing was thrown");
    }
    catch (const odd& o) {
        CHECK(o.value == 3);
    }
    CHECK_THROWS_AS(pool.apply_async([] { throw 5; }).get(), int);
}

TEST_CASE("what a copy of an argument throws is thrown to the caller")
{
    struct uncopyable {
        uncopyable() = default;
        uncopyable(const uncopyable&) { throw std::runtime_error("no copy"); }
    };
    thread_pool pool{1};
    const uncopyable a;
    CHECK_THROWS_WITH_AS(pool.apply([](const uncopyable&) {}, a), "no copy", std::runtime_error);
    CHECK_THROWS_WITH_AS(pool.apply_async([](const uncopyable&) {}, args(a)), "no copy", std::runtime_error);
    CHECK(pool.stats().submitted == 0);
}

TEST_CASE("apply on a worker of the pool just calls")
{
    thread_pool pool{2};
    CHECK(pool.apply([&] {
        const std::thread::id here = std::this_thread::get_id();
        return pool.apply([here](int n) { return here == std::this_thread::get_id() ? n : -1; }, 5);
    }) == 5);
    CHECK_THROWS_WITH_AS(
        pool.apply([&] { return pool.apply([]() -> int { throw std::runtime_error("inner"); }); }), "inner", std::runtime_error);
}

TEST_CASE("the function runs in the pool, the caller's thread is another")
{
    thread_pool pool{2};
    CHECK(pool.apply([] { return std::this_thread::get_id(); }) != std::this_thread::get_id());
}

TEST_CASE("values that ask for more alignment than most")
{
    thread_pool pool{2};
    wide w;
    w.values[7] = 1.5;
    for (int i = 0; i < 20; ++i) { // several, since one may be aligned by chance
        CHECK(pool.apply([](const wide& a) { return a.aligned(); }, w));
        CHECK(pool.apply([w] { return w.aligned(); }));
        const async_result<wide> r = pool.apply_async([w] { return w; });
        CHECK(pool.apply_async([w] { return w; }).get().values[7] == 1.5);
    }
}
