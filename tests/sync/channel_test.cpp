// What a channel does, step by step on one thread.
#include "support/tracked.hpp"
#include "sync/support.hpp"

#include <tandem/sync/channel.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace tandem;
using namespace tandem::test;

static_assert(!std::is_copy_constructible_v<channel<int>> && !std::is_move_constructible_v<channel<int>>);

namespace {

task<> sends(channel<int>& c, int first, int last, std::vector<int>& sent)
{
    for (int k = first; k <= last; ++k) {
        co_await c.send(k);
        sent.push_back(k);
    }
}
task<> sends(channel<int>& c, int value) { co_await c.send(value); }
task<int> receives(channel<int>& c)
{
    const std::optional<int> v = co_await c.receive();
    co_return v.value_or(-1);
}
task<> receives_all(channel<int>& c, std::vector<int>& received)
{
    while (const auto v = co_await c.receive())
        received.push_back(*v);
}

} // namespace

// --- values ------------------------------------------------------------------------------------

TASK_TEST_CASE("values come out in the order in which they went in")
{
    channel<int> c{3};
    CHECK(c.capacity() == 3);
    for (int round = 0; round < 5; ++round) { // round the ring
        co_await c.send(1);
        co_await c.send(2);
        CHECK(c.size() == 2);
        CHECK(co_await c.receive() == 1);
        co_await c.send(3);
        CHECK(co_await c.receive() == 2);
        CHECK(co_await c.receive() == 3);
        CHECK(c.size() == 0);
    }
}

TASK_TEST_CASE("an unbounded channel takes any number without a wait")
{
    auto c = channel<std::string>::unbounded();
    CHECK(c.capacity() == std::numeric_limits<std::size_t>::max());
    for (int round = 0; round < 3; ++round) {
        for (int k = 0; k < 5'000; ++k)
            co_await c.send(std::to_string(k));
        CHECK(c.size() == 5'000);
        for (int k = 0; k < 5'000; ++k)
            CHECK(co_await c.receive() == std::to_string(k));
    }
    co_await c.send("goes with the channel");
}

TASK_TEST_CASE("trying never waits, and a value that was not sent stays where it was")
{
    channel<std::unique_ptr<int>> c{1};
    CHECK_FALSE(c.try_receive());
    auto value = std::make_unique<int>(1);
    CHECK(c.try_send(std::move(value)));
    CHECK_FALSE(value);
    value = std::make_unique<int>(2);
    CHECK_FALSE(c.try_send(std::move(value)));
    CHECK(*value == 2);
    CHECK(**c.try_receive() == 1);
    c.close();
    CHECK_FALSE(c.try_send(std::move(value)));
    CHECK(*value == 2);
    CHECK_FALSE(c.try_receive());

    channel<std::string> copies{1};
    const std::string kept = "kept";
    CHECK(copies.try_send(kept));
    CHECK(co_await copies.receive() == kept);
}

TEST_CASE("values are moved, never copied, and none outlives the channel")
{
    tally counts;
    manual_context manual;
    {
        channel<tracked> c{2};
        const auto uses = [&]() -> task<> {
            co_await c.send(tracked(counts, 1));
            co_await c.send(tracked(counts, 2));
            const auto v = co_await c.receive();
            CHECK(v->value == 1);
            co_await c.send(tracked(counts, 3));
        };
        manual.run(uses());
        CHECK(counts.alive == 2);
    }
    CHECK(counts.alive == 0);
    CHECK(counts.copies == 0);
    {
        auto c = channel<tracked>::unbounded();
        for (int k = 0; k < 2'000; ++k)
            CHECK(c.try_send(tracked(counts, k)));
        for (int k = 0; k < 1'000; ++k)
            CHECK(c.try_receive()->value == k);
        CHECK(counts.alive == 1'000);
    }
    CHECK(counts.alive == 0);
}

TEST_CASE("a capacity that fits in no memory is refused")
{
    const std::size_t most = std::numeric_limits<std::size_t>::max();
    CHECK_THROWS_AS(channel<int>{most}, std::invalid_argument);
    CHECK_THROWS_AS(channel<int>{most / sizeof(int)}, std::invalid_argument);
}

// --- waits -------------------------------------------------------------------------------------

TEST_CASE("who sends to a full channel waits until there is room, and keeps its turn")
{
    manual_context manual;
    channel<int> c{2};
    std::vector<int> first;
    std::vector<int> second;
    started a(manual, sends(c, 1, 4, first));
    started b(manual, sends(c, 11, 12, second));
    CHECK(first == std::vector{1, 2});
    CHECK(c.size() == 2); // those that wait do not count
    CHECK_FALSE(c.try_send(99));
    CHECK(c.try_receive() == 1);
    CHECK(c.size() == 2); // 3 has moved up already
    CHECK_FALSE(c.try_send(99));
    drain(manual);
    CHECK(first == std::vector{1, 2, 3});
    std::vector<int> rest;
    while (const auto v = c.try_receive()) {
        rest.push_back(*v);
        drain(manual);
    }
    CHECK(rest == std::vector{2, 3, 11, 4, 12});
    CHECK(a.ended());
    CHECK(b.ended());
}

TEST_CASE("who receives from an empty channel waits for a value; the first to come gets the first")
{
    manual_context manual;
    channel<int> c{2};
    started a(manual, receives(c));
    started b(manual, receives(c));
    CHECK(c.try_send(1));
    CHECK(c.size() == 0); // handed over
    CHECK_FALSE(c.try_receive());
    CHECK_FALSE(a.ended()); // not in place
    CHECK(c.try_send(2));
    CHECK(c.try_send(3));
    CHECK(c.try_send(4));
    CHECK_FALSE(c.try_send(5));
    drain(manual);
    CHECK(a.get() == 1);
    CHECK(b.get() == 2);
    CHECK(c.try_receive() == 3);
}

TEST_CASE("with capacity 0 a value goes from hand to hand")
{
    manual_context manual;
    channel<int> c{0};
    CHECK_FALSE(c.try_send(1));
    CHECK_FALSE(c.try_receive());
    SUBCASE("the sender waits")
    {
        std::vector<int> sent;
        started a(manual, sends(c, 1, 2, sent));
        started b(manual, sends(c, 10));
        drain(manual);
        CHECK(sent.empty());
        CHECK(c.size() == 0);
        CHECK(c.try_receive() == 1);
        CHECK(manual.run(receives(c)) == 10);
        CHECK(manual.run(receives(c)) == 2);
        drain(manual);
        CHECK(a.ended());
        CHECK(b.ended());
    }
    SUBCASE("the receiver waits")
    {
        std::vector<int> received;
        started r(manual, receives_all(c, received));
        manual.run(sends(c, 1));
        manual.run(sends(c, 2));
        c.close();
        drain(manual);
        CHECK(r.ended());
        CHECK(received == std::vector{1, 2});
    }
}

TEST_CASE("tasks may be destroyed while they wait at a channel")
{
    manual_context manual;
    tally counts;
    {
        channel<tracked> c{0};
        const auto sends_one = [&](int n) -> task<> { co_await c.send(tracked(counts, n)); };
        const auto receives_one = [&]() -> task<int> {
            const auto v = co_await c.receive();
            co_return v->value;
        };
        started a(manual, sends_one(1));
        started b(manual, sends_one(2));
        a.destroy();
        CHECK(manual.run(receives_one()) == 2);
        started r(manual, receives_one());
        started s(manual, receives_one());
        r.destroy();
        manual.run(sends_one(3));
        drain(manual);
        CHECK(s.get() == 3);
    }
    CHECK(counts.alive == 0);
}

// --- close -------------------------------------------------------------------------------------

TEST_CASE("after close nothing goes in, what is inside comes out, and then nullopt")
{
    manual_context manual;
    channel<int> c{4};
    CHECK(c.try_send(1));
    CHECK(c.try_send(2));
    CHECK_FALSE(c.is_closed());
    c.close();
    CHECK(c.is_closed());
    CHECK_THROWS_WITH_AS(manual.run(sends(c, 3)), "send: the channel is closed", channel_closed);
    std::vector<int> received;
    manual.run(receives_all(c, received));
    CHECK(received == std::vector{1, 2});
    CHECK(manual.run(receives(c)) == -1);
    c.close(); // nothing
}

TEST_CASE("close wakes those who wait to receive")
{
    manual_context manual;
    for (const std::size_t capacity : {std::size_t{0}, std::size_t{2}}) {
        channel<int> c{capacity};
        started a(manual, receives(c));
        started b(manual, receives(c));
        c.close();
        drain(manual);
        CHECK(a.get() == -1);
        CHECK(b.get() == -1);
    }
}

TEST_CASE("close fails those who wait to send, and they have their values still")
{
    manual_context manual;
    channel<std::unique_ptr<int>> c{1};
    CHECK(c.try_send(std::make_unique<int>(1)));
    const auto sends_and_keeps = [&](int n) -> task<int> {
        auto send = c.send(std::make_unique<int>(n));
        try {
            co_await send;
        }
        catch (const channel_closed&) {
            co_return *send.value();
        }
        co_return 0;
    };
    started a(manual, sends_and_keeps(2));
    started b(manual, sends_and_keeps(3));
    c.close();
    drain(manual);
    CHECK(a.get() == 2);
    CHECK(b.get() == 3);
    CHECK(**c.try_receive() == 1);
    CHECK_FALSE(c.try_receive());
    CHECK(manual.run(sends_and_keeps(4)) == 4);
}

// --- cancellation ------------------------------------------------------------------------------

TEST_CASE("a send that waits is cancelled, and then was not sent")
{
    manual_context manual;
    channel<int> c{1};
    CHECK(c.try_send(0));
    started a(manual, sends(c, 1));
    started b(manual, sends(c, 2));
    started d(manual, sends(c, 3));
    b.stop();
    CHECK_FALSE(b.ended());
    drain(manual);
    CHECK(b.was_cancelled());
    CHECK(c.try_receive() == 0);
    a.stop(); // too late: it is inside
    drain(manual);
    CHECK_FALSE(a.was_cancelled());
    CHECK(c.try_receive() == 1);
    CHECK(c.try_receive() == 3);
    CHECK_FALSE(c.try_receive());
}

TEST_CASE("a receive that waits is cancelled, and takes nothing; one that was given a value keeps it")
{
    manual_context manual;
    channel<int> c{1};
    started a(manual, receives(c));
    started b(manual, receives(c));
    started d(manual, receives(c));
    b.stop();
    drain(manual);
    CHECK(b.was_cancelled());
    CHECK(c.try_send(1));
    a.stop(); // too late
    CHECK(c.try_send(2));
    drain(manual);
    CHECK(a.get() == 1);
    CHECK(d.get() == 2);
}

TEST_CASE("who was asked to stop before gets what there is, and does not wait for more")
{
    manual_context manual;
    stop_source stop;
    stop.request_stop();
    channel<int> c{1};
    manual.run(sends(c, 1), stop.get_token());
    CHECK_THROWS_AS(manual.run(sends(c, 2), stop.get_token()), operation_cancelled);
    CHECK(manual.run(receives(c), stop.get_token()) == 1);
    CHECK_THROWS_AS(manual.run(receives(c), stop.get_token()), operation_cancelled);
    CHECK(c.size() == 0);
}
