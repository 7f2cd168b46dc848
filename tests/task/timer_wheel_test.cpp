#include "support/manual_context.hpp"

#include <tandem/task/timer_wheel.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <random>
#include <vector>

using namespace tandem;
using namespace tandem::test;

namespace {

struct entry : timer {
    entry(context& c, std::int64_t ns) : timer([](job*) noexcept {})
    {
        ctx = &c;
        deadline_ns = ns;
    }
};

constexpr std::int64_t ms = 1'000'000;

} // namespace

TEST_CASE("timers come out in the order of their deadlines, and not before")
{
    manual_context c;
    timer_wheel w;
    entry late(c, 90'000 * ms);
    entry soon(c, 5 * ms);
    entry first(c, 3);
    entry past(c, -7);
    entry middle(c, 5 * ms + 1);
    for (entry* const e : {&late, &soon, &first, &past, &middle})
        CHECK(w.start(*e));
    CHECK(w.next_look() == -7);
    CHECK(w.pop_expired(0) == &past);
    CHECK(w.pop_expired(2) == nullptr);
    CHECK(w.next_look() == 3);
    CHECK(w.pop_expired(3) == &first);
    CHECK(w.next_look() == 5 * ms);
    CHECK(w.pop_expired(5 * ms - 1) == nullptr);
    CHECK(w.pop_expired(6 * ms) == &soon);
    CHECK(w.pop_expired(6 * ms) == &middle);
    CHECK(w.next_look() == 90'000 * ms);
    CHECK(w.pop_expired(90'000 * ms) == &late);
    CHECK(w.empty());
    CHECK(w.next_look() == timer_wheel::never);
}

TEST_CASE("a stopped timer does not come out, and one that was stopped before it was started does not go in")
{
    manual_context c;
    timer_wheel w;
    entry a(c, 10 * ms);
    entry b(c, 10 * ms);
    CHECK(w.start(a));
    CHECK_FALSE(w.stop(b));
    CHECK_FALSE(w.start(b));
    CHECK(w.stop(a));
    CHECK_FALSE(w.stop(a));
    CHECK(w.empty());
    CHECK(w.pop_expired(20 * ms) == nullptr);
    CHECK(a.was_stopped());
    CHECK(b.was_stopped());

    entry d(c, 10 * ms);
    CHECK(w.start(d)); // in the past of the wheel
    CHECK(w.pop_expired(20 * ms) == &d);
    CHECK_FALSE(w.stop(d));
    CHECK_FALSE(d.was_stopped());
}

TEST_CASE("the last point of time never comes")
{
    manual_context c;
    timer_wheel w;
    entry never(c, timer_wheel::never);
    CHECK(w.start(never));
    CHECK(w.pop_expired(timer_wheel::never - 1) == nullptr);
    CHECK(w.stop_any() == &never);
    CHECK(never.was_stopped());
    CHECK(w.stop_any() == nullptr);
}

TEST_CASE("beside a sorted list, with random deadlines, stops and steps of time")
{
    manual_context c;
    std::mt19937_64 random(7);
    for (int round = 0; round < 60; ++round) {
        timer_wheel w;
        std::deque<entry> all;
        std::vector<entry*> waiting; // sorted by deadline
        std::int64_t now = static_cast<std::int64_t>(random() % (1'000'000 * ms));
        for (int step = 0; step < 400; ++step) {
            const int spread = static_cast<int>(random() % 44);
            const auto ahead = static_cast<std::int64_t>(random() % (std::uint64_t{1} << spread));
            if (random() % 4 != 0) {
                entry& e = all.emplace_back(c, now + ahead);
                REQUIRE(w.start(e));
                const auto place = std::upper_bound(
                    waiting.begin(), waiting.end(), &e, [](auto* x, auto* y) { return x->deadline_ns < y->deadline_ns; });
                waiting.insert(place, &e);
            }
            else if (!waiting.empty() && random() % 2 == 0) {
                const auto k = waiting.begin() + static_cast<std::ptrdiff_t>(random() % waiting.size());
                REQUIRE(w.stop(**k));
                waiting.erase(k);
            }
            REQUIRE(w.empty() == waiting.empty());
            if (!waiting.empty())
                REQUIRE(w.next_look() <= waiting.front()->deadline_ns);
            now += static_cast<std::int64_t>(random() % (std::uint64_t{1} << (random() % 40)));
            while (const timer* const t = w.pop_expired(now)) {
                REQUIRE_FALSE(waiting.empty());
                REQUIRE(t->deadline_ns == waiting.front()->deadline_ns);
                REQUIRE(t->deadline_ns <= now);
                waiting.erase(std::find(waiting.begin(), waiting.end(), t));
            }
            if (!waiting.empty())
                REQUIRE(waiting.front()->deadline_ns > now);
        }
        // To look when told to is enough to see each in its time.
        while (!waiting.empty()) {
            now = w.next_look();
            REQUIRE(now <= waiting.front()->deadline_ns);
            while (const timer* const t = w.pop_expired(now)) {
                REQUIRE(t->deadline_ns == now);
                waiting.erase(std::find(waiting.begin(), waiting.end(), t));
            }
        }
    }
}
