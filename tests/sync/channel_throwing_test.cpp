// Values whose moves throw: whoever moved learns of it, and the channel goes on.
#include "sync/support.hpp"

#include <tandem/sync/channel.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <stdexcept>
#include <utility>

using namespace tandem;
using namespace tandem::test;

namespace {

// Throws on the move that brings `*fuse` to zero; the source is then as it was. Counts the living.
struct touchy {
    touchy(int v, int* f, int* a) : value(v), fuse(f), alive(a) { ++*alive; }
    touchy(touchy&& other) : value(other.value), fuse(other.fuse), alive(other.alive)
    {
        if (*fuse > 0 && --*fuse == 0)
            throw std::runtime_error("moved once too often");
        other.value = -1;
        ++*alive;
    }
    ~touchy() { --*alive; }

    int value;
    int* fuse;
    int* alive;
};

task<int> receives(channel<touchy>& c)
{
    const auto v = co_await c.receive();
    co_return v ? v->value : 0;
}

struct fixture {
    int fuse = 0;
    int alive = 0;
    manual_context manual;

    touchy make(int v) { return touchy(v, &fuse, &alive); }
    task<> sends(channel<touchy>& c, int v)
    {
        auto send = c.send(make(v));
        co_await send;
    }
    void fill(channel<touchy>& c, int first, int last)
    {
        for (int k = first; k <= last; ++k) {
            touchy t = make(k);
            CHECK(c.try_send(std::move(t)));
        }
    }
    // Whatever was thrown before, the channel takes and gives as if nothing had been.
    void check_sound(channel<touchy>& c)
    {
        fuse = 0;
        while (c.try_receive()) {}
        CHECK(c.size() == 0);
        const std::size_t n = c.capacity() < 5 ? c.capacity() : 5;
        fill(c, 1, static_cast<int>(n));
        for (std::size_t k = 1; k <= n; ++k)
            CHECK(c.try_receive()->value == static_cast<int>(k));
        c.close();
        CHECK(manual.run(receives(c)) == 0);
    }
};

} // namespace

TEST_CASE_FIXTURE(fixture, "a move into the channel throws: nothing was sent, and the value is the sender's")
{
    {
        channel<touchy> c{2};
        fill(c, 1, 1);
        touchy t = make(2);
        fuse = 1;
        CHECK_THROWS_AS(static_cast<void>(c.try_send(std::move(t))), std::runtime_error);
        CHECK(t.value == 2);
        CHECK(c.size() == 1);
        CHECK(manual.run(receives(c)) == 1);
        check_sound(c);
    }
    CHECK(alive == 0);
}

TEST_CASE_FIXTURE(fixture, "a move out of the channel throws: the value is still the first")
{
    {
        auto c = channel<touchy>::unbounded();
        fill(c, 1, 3);
        fuse = 1;
        CHECK_THROWS_AS(manual.run(receives(c)), std::runtime_error);
        CHECK(c.size() == 3);
        CHECK(manual.run(receives(c)) == 1);
        check_sound(c);
    }
    CHECK(alive == 0);
}

TEST_CASE_FIXTURE(fixture, "a move into a receiver that waits throws: it waits on")
{
    {
        channel<touchy> c{1};
        started r(manual, receives(c));
        touchy t = make(1);
        fuse = 1;
        CHECK_THROWS_AS(static_cast<void>(c.try_send(std::move(t))), std::runtime_error);
        drain(manual);
        CHECK_FALSE(r.ended());
        CHECK(c.try_send(std::move(t)));
        drain(manual);
        CHECK(r.get() == 1);
        check_sound(c);
    }
    CHECK(alive == 0);
}

TEST_CASE_FIXTURE(fixture, "the move of a sender that waits throws: that sender learns of it, and the next takes its place")
{
    {
        channel<touchy> c{1};
        fill(c, 1, 1);
        started a(manual, sends(c, 2));
        started b(manual, sends(c, 3));
        fuse = 2; // one move out, then one in
        {
            const auto v = c.try_receive();
            CHECK(v->value == 1);
        }
        fuse = 0;
        drain(manual);
        CHECK_THROWS_AS(a.get(), std::runtime_error);
        CHECK(b.ended());
        CHECK(manual.run(receives(c)) == 3);
        check_sound(c);
    }
    CHECK(alive == 0);
}

TEST_CASE_FIXTURE(fixture, "from hand to hand the move throws: the receiver learns of it, and the sender waits on")
{
    {
        channel<touchy> c{0};
        started a(manual, sends(c, 1));
        fuse = 1;
        CHECK_THROWS_AS(manual.run(receives(c)), std::runtime_error);
        drain(manual);
        CHECK_FALSE(a.ended());
        CHECK(manual.run(receives(c)) == 1);
        drain(manual);
        CHECK(a.ended());
        check_sound(c);
    }
    CHECK(alive == 0);
}
