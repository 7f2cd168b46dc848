#include "support/manual_context.hpp"
#include "support/threads.hpp"

#include <tandem/combine/when_all.hpp>
#include <tandem/io/co_spawn.hpp>
#include <tandem/io/sleep.hpp>
#include <tandem/tandem.hpp>

#include <asio/io_context.hpp>

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <list>
#include <memory>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

using namespace tandem;
using namespace tandem::test;
using namespace std::chrono_literals;

namespace {

task<int> number(int n) { co_return n; }

task<void> nothing() { co_return; }

task<int> fails(const char* what)
{
    throw std::out_of_range(what);
    co_return 0;
}

task<int> fib(int n)
{
    if (n < 2)
        co_return n;
    auto [a, b] = co_await when_all(fib(n - 1), fib(n - 2));
    co_return a + b;
}

task<long> skynet(long first, long size)
{
    if (size == 1)
        co_return first;
    std::vector<task<long>> parts;
    for (long i = 0; i < 10; ++i)
        parts.push_back(skynet(first + i * size / 10, size / 10));
    long sum = 0;
    for (long s : co_await when_all(std::move(parts)))
        sum += s;
    co_return sum;
}

/// A tree whose leaves now and then sleep, or throw; gives the number of leaves.
task<int> uneven_tree(int depth, unsigned seed, std::atomic<int>& alive)
{
    struct counted {
        explicit counted(std::atomic<int>& a) : n(a) { ++n; }
        ~counted() { --n; }
        std::atomic<int>& n;
    };
    const counted c(alive);
    jitter random(seed);
    if (depth == 0) {
        if (random.below(8) == 0)
            co_await sleep_for(std::chrono::microseconds(random.below(300)));
        if (random.below(200) == 0)
            throw std::runtime_error("leaf");
        co_return 1;
    }
    auto three = when_all(uneven_tree(depth - 1, random.below(1u << 30), alive),
        uneven_tree(depth - 1, random.below(1u << 30), alive), uneven_tree(depth - 1, random.below(1u << 30), alive));
    auto [a, b, c3] = co_await std::move(three);
    co_return a + b + c3;
}

} // namespace

TASK_TEST_CASE("when_all gives the values of all, monostate for void, and references")
{
    int object = 0;
    const auto reference = [](int& i) -> task<int&> { co_return i; };
    auto all = when_all(
        number(1), nothing(), reference(object), []() -> task<std::unique_ptr<int>> { co_return std::make_unique<int>(4); }());
    std::tuple<int, std::monostate, int&, std::unique_ptr<int>> r = co_await std::move(all);
    CHECK(std::get<0>(r) == 1);
    CHECK(&std::get<2>(r) == &object);
    CHECK(*std::get<3>(r) == 4);

    auto none = when_all();
    co_await std::move(none);
}

TASK_TEST_CASE("when_all of a range gives a vector in its order, or nothing for void")
{
    std::vector<task<int>> tasks;
    for (int i = 0; i < 100; ++i)
        tasks.push_back(number(i));
    const std::vector<int> values = co_await when_all(std::move(tasks));
    REQUIRE(values.size() == 100);
    for (int i = 0; i < 100; ++i)
        CHECK(values[static_cast<std::size_t>(i)] == i);

    CHECK((co_await when_all(std::vector<task<int>>())).empty());

    std::list<task<void>> voids;
    voids.push_back(nothing());
    voids.push_back(nothing());
    co_await when_all(std::move(voids));

    int objects[3] = {};
    std::vector<task<int&>> references;
    for (int& o : objects)
        references.push_back([](int& i) -> task<int&> { co_return i; }(o));
    std::vector<std::reference_wrapper<int>> refs = co_await when_all(std::move(references));
    CHECK(&refs[2].get() == &objects[2]);
}

TASK_TEST_CASE("what when_all returns counts as a task")
{
    auto inner = when_all(number(1), number(2));
    auto outer = when_all(std::move(inner), number(3));
    const auto r = co_await std::move(outer);
    CHECK(r == std::tuple(std::tuple(1, 2), 3));
}

TASK_TEST_CASE("children run concurrently, the first at once")
{
    std::string order;
    const auto step = [](manual_context& m, std::string& o, char name, std::chrono::seconds d) -> task<void> {
        o += name;
        co_await m.sleep_for(d);
        o += static_cast<char>(name - 'a' + 'A');
    };
    auto all = when_all(step(manual, order, 'a', 3s), step(manual, order, 'b', 1s), step(manual, order, 'c', 2s));
    co_await std::move(all);
    CHECK(order == "abcBCA");
    CHECK(manual.now() == 3s);
}

TASK_TEST_CASE("the first error stops the siblings, is rethrown as it was thrown, and only when all have ended")
{
    int ended = 0;
    const auto sleeper = [](manual_context& m, int& n) -> task<int> {
        try {
            co_await m.sleep_for(1h);
        }
        catch (const operation_cancelled&) {
            ++n;
            throw;
        }
        co_return 0;
    };
    const auto late_failure = [](manual_context& m) -> task<int> {
        co_await m.sleep_for(1s);
        throw std::out_of_range("first");
    };
    bool thrown = false;
    try {
        auto all = when_all(sleeper(manual, ended), late_failure(manual), sleeper(manual, ended));
        co_await std::move(all);
    }
    catch (const std::out_of_range& e) {
        thrown = true;
        CHECK(std::string(e.what()) == "first");
    }
    CHECK(thrown);
    CHECK(ended == 2);
    CHECK(manual.now() == 1s);
}

TASK_TEST_CASE("children that have not begun when a sibling fails are not started")
{
    int started = 0;
    const auto count = [](int& n) -> task<int> {
        ++n;
        co_return n;
    };
    bool thrown = false;
    try {
        auto all = when_all(fails("at once"), count(started), count(started));
        co_await std::move(all);
    }
    catch (const std::out_of_range&) {
        thrown = true;
    }
    CHECK(thrown);
    CHECK(started == 0);
}

TASK_TEST_CASE("a stop request from outside reaches every child")
{
    stop_source source;
    const auto sleeper = [](manual_context& m) -> task<int> {
        co_await m.sleep_for(1h);
        co_return 0;
    };
    const auto stopper = [](manual_context& m, stop_source& s) -> task<int> {
        co_await m.sleep_for(1s);
        s.request_stop();
        co_return 0;
    };
    manual_context inner;
    auto all = when_all(sleeper(inner), stopper(inner, source), sleeper(inner));
    CHECK_THROWS_AS(inner.run(std::move(all), source.get_token()), operation_cancelled);
    CHECK(inner.now() == 1s);
    co_return;
}

TEST_CASE("later errors go to the observer")
{
    struct counting final : observer {
        void error_superseded(const std::exception_ptr&) noexcept override { ++n; }
        std::atomic<int> n{0};
    } seen;
    observer* const before = set_observer(&seen);
    const auto late = [](manual_context& m, int s) -> task<int> {
        try {
            co_await m.sleep_for(std::chrono::seconds(s));
        }
        catch (const operation_cancelled&) {
        }
        throw std::runtime_error("late");
    };
    manual_context m;
    auto all = when_all(late(m, 1), late(m, 2), late(m, 3));
    CHECK_THROWS_AS(m.run(std::move(all)), std::runtime_error);
    set_observer(before);
    CHECK(seen.n == 2);
}

TASK_TEST_CASE("when_all_settled gives every outcome, and stops nobody")
{
    const auto late = [](manual_context& m) -> task<int> {
        co_await m.sleep_for(1s);
        co_return 7;
    };
    auto pack = when_all_settled(fails("no"), late(manual), nothing());
    auto [a, b, c] = co_await std::move(pack);
    CHECK(a.has_error());
    CHECK_THROWS_WITH_AS(a.value(), "no", std::out_of_range);
    CHECK(b.value() == 7);
    CHECK(c.has_value());

    std::vector<task<int>> tasks;
    for (int i = 0; i < 10; ++i)
        tasks.push_back(i % 3 ? number(i) : fails("third"));
    const std::vector<outcome<int>> outcomes = co_await when_all_settled(std::move(tasks));
    for (int i = 0; i < 10; ++i)
        CHECK(outcomes[static_cast<std::size_t>(i)].has_value() == (i % 3 != 0));
}

TEST_CASE("fork-join trees on one, two and eight threads")
{
    for (const std::size_t threads : {1u, 2u, 8u}) {
        CAPTURE(threads);
        thread_pool pool{threads};
        CHECK(sync_wait(pool, fib(scaled(22, 17, 16))) == scaled(17711, 1597, 987));
        const long leaves = scaled(100'000, 10'000, 1'000);
        CHECK(sync_wait(pool, skynet(0, leaves)) == leaves * (leaves - 1) / 2);
    }
}

TEST_CASE("several trees at once, from several threads")
{
    thread_pool pool{4};
    std::atomic<int> right{0};
    on_each_of(3, [&](int) {
        for (int i = 0; i < 10; ++i)
            right += sync_wait(pool, fib(12)) == 144;
    });
    CHECK(right == 30);
}

TEST_CASE("trees whose leaves sleep and throw: every coroutine ends, and the first error comes out")
{
    std::atomic<int> alive{0};
    thread_pool pool{8};
    int whole = 0;
    int broken = 0;
    for (unsigned i = 0; i < static_cast<unsigned>(scaled(150, 60, 30)); ++i) {
        try {
            const int leaves = sync_wait(pool, uneven_tree(4, i, alive));
            CHECK(leaves == 81);
            ++whole;
        }
        catch (const std::runtime_error& e) {
            CHECK(std::string(e.what()) == "leaf");
            ++broken;
        }
        CHECK(alive == 0);
    }
    CHECK(whole + broken == scaled(150, 60, 30));
    CHECK(whole > 0);
    CHECK(broken > 0);
}

TEST_CASE("trees on an io_context, run by one thread and by several")
{
    for (const int threads : {1, 4}) {
        asio::io_context io;
        auto r = co_spawn(io, fib(12));
        on_each_of(threads, [&](int) { io.run(); });
        CHECK(r.get() == 144);
    }
}

TEST_CASE("a long tree on one thread lets a timer in between")
{
    thread_pool pool{1};
    std::atomic<bool> stop{false};
    const auto busy = [](std::atomic<bool>& s) -> task<void> {
        while (!s.load())
            co_await fib(8);
    };
    const auto timer = [](std::atomic<bool>& s) -> task<void> {
        co_await sleep_for(1ms);
        s = true;
    };
    auto both = when_all(timer(stop), busy(stop));
    sync_wait(pool, std::move(both));
    CHECK(stop);
}
