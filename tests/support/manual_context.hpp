// Test cases whose body is a coroutine on a manual_context.
#pragma once

#include <tandem/base/errc.hpp>
#include <tandem/sync/manual_context.hpp>

#include <doctest/doctest.h>

#include <chrono>

namespace tandem::test {

using tandem::manual_context;

/// Thrown by `manual_context::run` when the task waits and there is nobody left to wake it.
using stuck = would_deadlock;

/// A test case whose body is a coroutine: it may co_await, and `manual` is the manual_context that it runs on. Fails when the body
/// can never finish, and says who waits for what. The body must have a co_await or a co_return in it.
///
///     TASK_TEST_CASE("sleeping takes time") { co_await sleep_for(1s); CHECK(manual.now() == 1s); }
#define TASK_TEST_CASE(...) TANDEM_TASK_TEST_CASE(DOCTEST_ANONYMOUS(tandem_task_test_case_), __VA_ARGS__)
#define TANDEM_TASK_TEST_CASE(body, ...)                                                                                           \
    static tandem::task<> body(tandem::test::manual_context& manual);                                                              \
    TEST_CASE(__VA_ARGS__)                                                                                                         \
    {                                                                                                                              \
        tandem::test::manual_context manual;                                                                                       \
        manual.run(body(manual));                                                                                                  \
    }                                                                                                                              \
    static tandem::task<> body([[maybe_unused]] tandem::test::manual_context& manual)

} // namespace tandem::test
