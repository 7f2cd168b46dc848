#include "../site.hpp"

#include <doctest/doctest.h>

#include <chrono>

using namespace std::chrono_literals;
using clock_type = crawl::site::clock;

TEST_CASE("site: turns come at intervals, and after a rest")
{
    crawl::site s(1, crawl::url::parse("http://h/").value(), 6);
    s.interval = 1h;
    const auto first = s.next_turn();
    CHECK(first <= clock_type::now());
    CHECK(s.next_turn() == first + 1h);
    CHECK(s.next_turn() == first + 2h);
    CHECK(!s.resting());
    // Turns were given out for the time of the rest: who has one sees that the site rests, and takes another.
    const auto rest = first + 10h;
    s.rest_until(rest);
    CHECK(s.resting());
    CHECK(s.next_turn() == rest);
    CHECK(s.next_turn() == rest + 1h);
    s.rest_until(first); // a shorter one changes nothing
    CHECK(s.next_turn() == rest + 2h);
}
