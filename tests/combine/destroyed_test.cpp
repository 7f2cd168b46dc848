// Combinators that go before their children have ended, or before they were awaited at all.
#include "support/tracked.hpp"
#include "sync/support.hpp"

#include <tandem/combine/race.hpp>
#include <tandem/combine/when_all.hpp>
#include <tandem/sync/event.hpp>

#include <doctest/doctest.h>

#include <array>
#include <coroutine>
#include <exception>
#include <span>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

using namespace tandem;
using namespace tandem::test;

namespace {

/// Waits for what a stop request ends, and which therefore is registered with all the combinators above.
task<int> waits(event& e, tracked value)
{
    co_await e.wait();
    co_return value.value;
}

/// Waits for nothing that anybody could end: nothing above knows of it.
task<int> stays(tracked value)
{
    co_await std::suspend_always{};
    co_return value.value;
}

task<int> fails(tracked value)
{
    throw std::out_of_range(std::to_string(value.value));
    co_return 0;
}

template <class Combinator>
task<> awaits(Combinator c, tracked)
{
    co_await std::move(c);
}

template <class Child>
std::vector<task<int>> several(Child child)
{
    std::vector<task<int>> all;
    for (int i = 0; i < 3; ++i)
        all.push_back(child(i));
    return all;
}

/// Starts a task that awaits what `make` makes, destroys it in its wait, and looks whether all is gone.
template <class Make>
void check_destruction(Make make)
{
    manual_context manual;
    tally t;
    event e;
    started a(manual, awaits(make(e, t), tracked(t)));
    drain(manual);
    CHECK_FALSE(a.ended());
    CHECK(t.alive > 0);
    a.destroy();
    CHECK(t.alive == 0);
    e.set(); // where nobody waits any more
    a.stop();
    drain(manual);
}

} // namespace

TEST_CASE("a combinator is destroyed while its children wait")
{
    check_destruction([](event& e, tally& t) { return when_all(waits(e, tracked(t, 1)), waits(e, tracked(t, 2))); });
    check_destruction([](event& e, tally& t) { return when_all(several([&](int i) { return waits(e, tracked(t, i)); })); });
    check_destruction([](event& e, tally& t) { return when_all(std::array{waits(e, tracked(t)), waits(e, tracked(t))}); });
    check_destruction([](event& e, tally& t) { return when_all_settled(waits(e, tracked(t)), fails(tracked(t))); });
    check_destruction([](event& e, tally& t) { return race(waits(e, tracked(t)), waits(e, tracked(t))); });
    check_destruction([](event& e, tally& t) { return when_any(fails(tracked(t)), waits(e, tracked(t))); });
    check_destruction([](event& e, tally& t) {
        return when_all(awaits(when_all(waits(e, tracked(t)), waits(e, tracked(t))), tracked(t)), waits(e, tracked(t)));
    });
}

TEST_CASE("a combinator is destroyed whose children wait for nothing that could be stopped")
{
    manual_context manual;
    tally t;
    {
        started a(manual, awaits(when_all(stays(tracked(t)), stays(tracked(t))), tracked(t)));
        started b(manual, awaits(race(stays(tracked(t)), stays(tracked(t))), tracked(t)));
        started c(manual, awaits(when_all(several([&](int i) { return stays(tracked(t, i)); })), tracked(t)));
        started d(manual, awaits(when_all(awaits(when_all(stays(tracked(t))), tracked(t)), stays(tracked(t))), tracked(t)));
        drain(manual);
        CHECK(t.alive > 0);
        a.destroy();
        b.destroy();
        c.destroy();
        d.destroy();
        CHECK(t.alive == 0);
    }
}

TEST_CASE("a combinator that nobody awaits destroys its children, also when it was moved")
{
    manual_context manual;
    tally t;
    event e;
    {
        [[maybe_unused]] auto all = when_all(waits(e, tracked(t)), fails(tracked(t)));
        auto some = race(several([&](int i) { return waits(e, tracked(t, i)); }));
        [[maybe_unused]] auto moved = std::move(some);
        CHECK(t.alive > 0);
    }
    CHECK(t.alive == 0);

    auto all = when_all(waits(e, tracked(t, 1)), waits(e, tracked(t, 2)));
    auto moved = std::move(all);
    e.set();
    const auto [a, b] = manual.run([](auto c) -> task<std::tuple<int, int>> { co_return co_await std::move(c); }(std::move(moved)));
    CHECK(a == 1);
    CHECK(b == 2);
    CHECK(t.alive == 0);
}

TEST_CASE("a combinator that has ended needs nothing of what it was awaited in")
{
    manual_context manual;
    tally t;
    const auto check = [&](auto combinator, event& e) {
        auto last = awaits(std::move(combinator), tracked(t)); // and so what it awaits
        {
            stop_source stop;
            environment env(manual, stop.get_token());
            completion end(
                [](completion*, const std::exception_ptr&) noexcept -> std::coroutine_handle<> { return std::noop_coroutine(); });
            resume(detail::task_access::prepare(last, env, end));
            drain(manual);
            e.set();
            drain(manual);
        } // asserts that no callback is left
        CHECK(t.alive > 0);
    };
    for (int i = 0; i < 2; ++i) {
        event e;
        check(when_all(waits(e, tracked(t)), waits(e, tracked(t))), e);
        CHECK(t.alive == 0);
        e.reset();
        check(race(waits(e, tracked(t)), waits(e, tracked(t))), e);
        e.reset();
        check(when_all(several([&](int k) { return waits(e, tracked(t, k)); })), e);
        CHECK(t.alive == 0);
    }
}

TEST_CASE("the tasks of a span stay whose they are, also when they could have been stopped")
{
    manual_context manual;
    tally t;
    event e;
    std::vector<task<int>> some = several([&](int i) { return waits(e, tracked(t, i)); });
    {
        started a(manual, awaits(when_all(std::span(some)), tracked(t)));
        drain(manual);
        e.set();
        drain(manual);
        CHECK(a.ended());
    }
    for (const task<int>& one : some)
        CHECK(static_cast<bool>(one));
}

TEST_CASE("the first error of several is thrown, whichever child it is of, and all children are gone")
{
    manual_context manual;
    tally t;
    event e;
    for (int at = 0; at < 3; ++at) {
        const auto child = [&](int i) { return i == at ? fails(tracked(t, i)) : waits(e, tracked(t, i)); };
        CHECK_THROWS_WITH_AS(
            manual.run(awaits(when_all(child(0), child(1), child(2)), tracked(t))), std::to_string(at).c_str(), std::out_of_range);
        CHECK(t.alive == 0);
    }
}
