// What a task throws, and when what it holds is destroyed.
#include "support/manual_context.hpp"
#include "support/tracked.hpp"

#include <tandem/task/task.hpp>

#include <doctest/doctest.h>

#include <exception>
#include <stdexcept>
#include <string>
#include <utility>

using namespace tandem;
using namespace tandem::test;

namespace {

} // namespace

TASK_TEST_CASE("what a task throws is rethrown as it was thrown")
{
    const auto fails = [](bool late, manual_context& m) -> task<int> {
        if (late)
            co_await m.yield();
        throw std::out_of_range("thrown in the task");
    };
    for (const bool late : {false, true}) {
        std::string caught;
        try {
            co_await fails(late, manual);
        }
        catch (const std::out_of_range& e) {
            caught = e.what();
        }
        CHECK(caught == "thrown in the task");
    }
}

TASK_TEST_CASE("the exception is the same object, of any type, however deep it was thrown")
{
    struct not_an_exception {
        const void* self;
    };
    static const void* thrown;
    struct nested {
        static task<> throws(int depth)
        {
            if (depth > 0)
                co_await throws(depth - 1);
            not_an_exception e{nullptr};
            throw e;
        }
        static task<> passes(std::exception_ptr& e)
        {
            try {
                co_await throws(10);
            }
            catch (not_an_exception& x) {
                x.self = &x;
                thrown = &x;
                e = std::current_exception();
                throw;
            }
        }
    };
    std::exception_ptr inner;
    bool same = false;
    try {
        co_await nested::passes(inner);
    }
    catch (const not_an_exception& x) {
        same = x.self == thrown && std::current_exception() == inner;
    }
    CHECK(same);
}

TASK_TEST_CASE("a reference and a nothing can fail too")
{
    const auto reference = []() -> task<int&> {
        throw std::runtime_error("no reference");
        co_return *static_cast<int*>(nullptr); // NOLINT: makes it a coroutine
    };
    const auto none = []() -> task<> {
        throw std::runtime_error("nothing");
        co_return;
    };
    int caught = 0;
    try {
        co_await reference();
    }
    catch (const std::runtime_error&) {
        ++caught;
    }
    try {
        co_await none();
    }
    catch (const std::runtime_error&) {
        ++caught;
    }
    CHECK(caught == 2);
}

TASK_TEST_CASE("what the value's constructor throws is the task's error")
{
    struct throws {
        explicit throws(int) { throw std::runtime_error("no value"); }
    };
    const auto make = []() -> task<throws> { co_return 1; };
    bool caught = false;
    try {
        co_await make();
    }
    catch (const std::runtime_error&) {
        caught = true;
    }
    CHECK(caught);
}

TASK_TEST_CASE("locals are destroyed when the task ends, not when it is awaited")
{
    tally t;
    const auto holds = [](tally& counts, manual_context& m) -> task<> {
        const tracked local(counts);
        co_await m.yield();
    };
    auto held = holds(t, manual);
    CHECK(t.alive == 0);
    co_await std::move(held);
    CHECK(t.alive == 0); // `held` still holds the frame, but not the local
}
