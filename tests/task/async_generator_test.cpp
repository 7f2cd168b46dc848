#include "support/manual_context.hpp"
#include "support/tracked.hpp"

#include <tandem/combine/with_timeout.hpp>
#include <tandem/pool/co_spawn.hpp>
#include <tandem/sync/one_shot_event.hpp>
#include <tandem/sync/sleep.hpp>
#include <tandem/task/async_generator.hpp>
#include <tandem/task/sync_wait.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

using namespace tandem;
using namespace tandem::test;
using namespace std::chrono_literals;

namespace {

async_generator<int> count_to(int n, std::chrono::nanoseconds pause = 0ns)
{
    for (int k = 1; k <= n; ++k) {
        if (pause > 0ns)
            co_await sleep_for(pause);
        co_yield k;
    }
}

async_generator<long> squares(async_generator<int> numbers)
{
    while (const auto n = co_await numbers.next())
        co_yield static_cast<long>(*n) * *n;
}

} // namespace

TASK_TEST_CASE("a generator gives its values one by one, and may wait in between")
{
    auto g = count_to(3, 1s);
    std::vector<int> seen;
    while (const auto n = co_await g.next()) {
        seen.push_back(*n);
        CHECK(manual.now() == *n * 1s);
    }
    CHECK(seen == std::vector{1, 2, 3});
    CHECK_FALSE((co_await g.next()).has_value());
    CHECK_FALSE((co_await g.next()).has_value());
    async_generator<int> none;
    CHECK_FALSE((co_await none.next()).has_value());
}

TASK_TEST_CASE("generators feed on one another")
{
    auto g = squares(count_to(4));
    long sum = 0;
    while (const auto n = co_await g.next())
        sum += *n;
    CHECK(sum == 1 + 4 + 9 + 16);
}

TASK_TEST_CASE("it does not run ahead")
{
    int made = 0;
    const auto makes = [](int& m) -> async_generator<int> {
        for (;;)
            co_yield ++m;
    };
    auto g = makes(made);
    CHECK(made == 0);
    CHECK((co_await g.next()) == 1);
    CHECK((co_await g.next()) == 2);
    CHECK(made == 2);
}

TASK_TEST_CASE("what it throws comes out of next, once")
{
    const auto fails = []() -> async_generator<int> {
        co_yield 1;
        throw std::runtime_error("no more");
    };
    auto g = fails();
    CHECK((co_await g.next()) == 1);
    std::string what;
    try {
        co_await g.next();
    }
    catch (const std::runtime_error& e) {
        what = e.what();
    }
    CHECK(what == "no more");
    CHECK_FALSE((co_await g.next()).has_value());
}

TASK_TEST_CASE("values are moved; what is converted or const is made first")
{
    const auto moves = []() -> async_generator<std::unique_ptr<int>> {
        co_yield std::make_unique<int>(1);
        auto local = std::make_unique<int>(2);
        co_yield local;
        CHECK(local == nullptr);
        co_yield std::unique_ptr<int>();
    };
    auto g = moves();
    CHECK(**(co_await g.next()) == 1);
    CHECK(**(co_await g.next()) == 2);
    CHECK((co_await g.next())->get() == nullptr);
    CHECK_FALSE((co_await g.next()).has_value());

    const auto texts = []() -> async_generator<std::string> {
        co_yield "a literal that is longer than what a string keeps in place";
        const std::string kept = "const, and longer than what a string keeps in place too";
        co_yield kept;
        CHECK(kept.size() > 20);
    };
    auto t = texts();
    CHECK((co_await t.next())->starts_with("a literal"));
    CHECK((co_await t.next())->starts_with("const"));
    CHECK_FALSE((co_await t.next()).has_value());
}

TASK_TEST_CASE("dropped half way, it takes its locals with it")
{
    tally counts;
    const auto holds = [](tally& t) -> async_generator<int> {
        const tracked kept(t);
        for (int k = 0;; ++k)
            co_yield k;
    };
    {
        auto g = holds(counts);
        CHECK((co_await g.next()) == 0);
        CHECK(counts.alive == 1);
    }
    CHECK(counts.alive == 0);
}

TEST_CASE("a stop request of the consumer reaches what the generator waits for, and it may go on after a limit")
{
    manual_context manual;
    CHECK_THROWS_AS(manual.run([]() -> task<> {
        auto g = count_to(3, 1h);
        const auto first = [](async_generator<int>& from) -> task<std::optional<int>> { co_return co_await from.next(); };
        auto limited = with_timeout(first(g), 1s);
        co_await std::move(limited);
    }()),
        timeout_error);
    CHECK(manual.now() == 1s);
}

TEST_CASE("millions of steps in constant stack; and on a pool")
{
    constexpr int steps = TANDEM_TSAN || TANDEM_ASAN ? 200'000 : 2'000'000;
    const auto adds = [](int n) -> task<long> {
        auto g = count_to(n);
        long sum = 0;
        while (const auto k = co_await g.next())
            sum += *k;
        co_return sum;
    };
    CHECK(sync_wait(adds(steps)) == static_cast<long>(steps) * (steps + 1) / 2);
    thread_pool pool{2};
    CHECK(sync_wait(pool, adds(1000)) == 500'500);
}
