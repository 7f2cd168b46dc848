#include <tandem/combine/detail/unclaimed_items.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

using tandem::detail::unclaimed_items;
using side = unclaimed_items::side;

TEST_CASE("items are claimed from both ends until none is left")
{
    unclaimed_items items(10);
    CHECK(items.left() == 10);
    const auto a = items.claim(3, side::front);
    CHECK((a && a->begin == 0 && a->end == 3 && !a->was_last));
    const auto b = items.claim(4, side::back);
    CHECK((b && b->begin == 6 && b->end == 10 && !b->was_last));
    CHECK(items.left() == 3);
    const auto c = items.claim(4, side::back);
    CHECK((c && c->begin == 3 && c->end == 6 && c->was_last));
    CHECK(!items.claim(1, side::front));
    CHECK(!items.claim(1, side::back));
    CHECK(items.left() == 0);
    CHECK(items.give_up() == 0);
}

TEST_CASE("who gives up takes what is left")
{
    unclaimed_items items(10);
    CHECK(items.claim(3, side::back));
    CHECK(items.give_up() == 7);
    CHECK(!items.claim(1, side::back));
    CHECK(!unclaimed_items(0).claim(1, side::front));
}

TEST_CASE("so many items that their number fills a word")
{
    constexpr std::size_t bits = 8 * sizeof(std::size_t);
    for (const std::size_t count : {(std::size_t{1} << (bits / 2)) + 1, ~std::size_t{0} / 3, ~std::size_t{0} - 1, ~std::size_t{0}})
        for (const bool alternating : {false, true}) {
            CAPTURE(count);
            unclaimed_items items(count);
            std::size_t first = 0;
            std::size_t last = count;
            for (bool back = false; const auto i = items.claim(count / 1000, back ? side::back : side::front);) {
                REQUIRE(i->begin < i->end);
                REQUIRE((back ? i->end == last : i->begin == first));
                (back ? last : first) = back ? i->begin : i->end;
                REQUIRE(i->was_last == (first == last));
                REQUIRE(items.left() == last - first);
                back = back != alternating;
            }
            CHECK(first == last);
        }
}

TEST_CASE("stress: what many threads claim at once nobody gets twice")
{
    constexpr std::size_t count = 50'000;
    unclaimed_items items(count);
    std::vector<std::atomic<int>> times(count);
    std::atomic<int> ends{0};
    {
        std::vector<std::jthread> threads;
        for (std::size_t t = 0; t < 4; ++t)
            threads.emplace_back([&, t] {
                for (std::size_t n = 1; const auto i = items.claim(n, t % 2 == 0 ? side::front : side::back); n = n % 7 + 1) {
                    for (std::size_t k = i->begin; k < i->end; ++k)
                        ++times[k];
                    ends += i->was_last ? 1 : 0;
                }
            });
    }
    std::size_t once = 0;
    for (const auto& n : times)
        once += n == 1 ? 1 : 0;
    CHECK(once == count);
    CHECK(ends == 1);
}
