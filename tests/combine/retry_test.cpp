#include "support/manual_context.hpp"

#include <tandem/combine/retry.hpp>
#include <tandem/combine/when_all.hpp>
#include <tandem/combine/with_timeout.hpp>
#include <tandem/sync/sleep.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <stdexcept>
#include <string>

using namespace tandem;
using namespace tandem::test;
using namespace std::chrono_literals;

namespace {

/// Fails until the given attempt.
struct flaky {
    int succeeds_at;
    int attempts = 0;
    task<int> operator()()
    {
        if (++attempts < succeeds_at)
            throw std::runtime_error("attempt " + std::to_string(attempts));
        co_return attempts;
    }
};

} // namespace

TASK_TEST_CASE("it tries until it succeeds, with pauses that grow")
{
    flaky f{4};
    retry_policy p{.max_attempts = 5, .delay = 1s, .multiplier = 3, .jitter = 0};
    auto r = retry(p, std::ref(f));
    const int n = co_await std::move(r);
    CHECK(n == 4);
    CHECK(manual.now() == 1s + 3s + 9s);
}

TEST_CASE("when the attempts are used up, what the last one threw comes out")
{
    manual_context manual;
    flaky f{9};
    CHECK_THROWS_WITH_AS(manual.run(retry({.max_attempts = 3, .delay = 1s, .multiplier = 1, .jitter = 0}, std::ref(f))),
        "attempt 3", std::runtime_error);
    CHECK(f.attempts == 3);
    CHECK(manual.now() == 2s);
}

TEST_CASE("no pause is longer than max_delay, and none ends later than max_elapsed")
{
    manual_context manual;
    flaky f{100};
    const retry_policy p{.max_attempts = 50, .delay = 1s, .multiplier = 10, .max_delay = 4s, .jitter = 0, .max_elapsed = 10s};
    CHECK_THROWS_WITH_AS(manual.run(retry(p, std::ref(f))), "attempt 4", std::runtime_error);
    CHECK(manual.now() == 1s + 4s + 4s);
}

TEST_CASE("an error that is not worth it is not retried")
{
    manual_context manual;
    flaky f{9};
    int asked = 0;
    retry_policy p{.max_attempts = 5, .jitter = 0};
    p.retry_if = [&](const std::exception_ptr& e) {
        ++asked;
        try {
            std::rethrow_exception(e);
        }
        catch (const std::runtime_error& x) {
            return std::string(x.what()) != "attempt 2";
        }
    };
    CHECK_THROWS_WITH_AS(manual.run(retry(p, std::ref(f))), "attempt 2", std::runtime_error);
    CHECK(asked == 2);
}

TEST_CASE("jitter keeps the pauses within their share, and makes them differ")
{
    manual_context manual;
    flaky f{200};
    const retry_policy p{.max_attempts = 100, .delay = 1s, .multiplier = 1, .jitter = 0.5};
    CHECK_THROWS_AS(manual.run(retry(p, std::ref(f))), std::runtime_error);
    CHECK(manual.now() > 99 * 500ms);
    CHECK(manual.now() < 99 * 1500ms);
    CHECK(manual.now() != 99s);
}

TEST_CASE("a stop request ends the attempts and the pauses")
{
    manual_context manual;
    flaky f{9};
    CHECK_THROWS_AS(manual.run(with_timeout(retry({.max_attempts = 9, .delay = 1h}, std::ref(f)), 1s)), timeout_error);
    CHECK(f.attempts == 1);
    int attempts = 0;
    const auto sleeps = [&]() -> task<> {
        ++attempts;
        co_await sleep_for(1h);
    };
    CHECK_THROWS_AS(manual.run(with_timeout(retry({.max_attempts = 9}, sleeps), 1s)), timeout_error);
    CHECK(attempts == 1);
    // but a limit of the attempt itself is an error like any other
    const auto limited = [&] { return with_timeout(sleeps(), 1s); };
    CHECK_THROWS_AS(manual.run(retry({.max_attempts = 3, .delay = 0s}, limited)), timeout_error);
    CHECK(attempts == 4);
}

TEST_CASE("a policy out of range is refused by name")
{
    const auto f = []() -> task<> { co_return; };
    CHECK_THROWS_WITH_AS(
        static_cast<void>(retry({.max_attempts = 0}, f)), "retry: max_attempts must be at least 1, not 0", std::invalid_argument);
    CHECK_THROWS_WITH_AS(
        static_cast<void>(retry({.delay = -1ns}, f)), "retry: delay must be 0 or more, not -1 ns", std::invalid_argument);
    CHECK_THROWS_WITH_AS(static_cast<void>(retry({.multiplier = 0.5}, f)), "retry: multiplier must be at least 1, not 0.500000",
        std::invalid_argument);
    CHECK_THROWS_WITH_AS(
        static_cast<void>(retry({.jitter = 2}, f)), "retry: jitter must be between 0 and 1, not 2.000000", std::invalid_argument);
}
