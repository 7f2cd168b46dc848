#include <tandem/base/inplace_vector.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

using namespace tandem;

namespace {

struct throws_on_third_copy {
    explicit throws_on_third_copy(int& made) : copies(&made) { ++alive; }
    throws_on_third_copy(const throws_on_third_copy& other) : copies(other.copies)
    {
        if (++*copies == 3)
            throw std::runtime_error("the third copy");
        ++alive;
    }
    throws_on_third_copy& operator=(const throws_on_third_copy&) = delete;
    ~throws_on_third_copy() { --alive; }
    int* copies;
    static inline int alive = 0;
};

} // namespace

TEST_CASE("an inplace_vector holds up to its capacity, and one more is bad_alloc")
{
    inplace_vector<std::string, 3> v;
    CHECK(v.empty());
    CHECK(v.capacity() == 3);
    v.push_back("one");
    const std::string& made = v.emplace_back(2, 'x');
    CHECK(&made == &v.back());
    v.push_back(std::string("three"));
    CHECK_THROWS_AS(v.push_back("four"), std::bad_alloc);
    CHECK(v == inplace_vector<std::string, 3>{"one", "xx", "three"});
    CHECK(v.front() == "one");
    CHECK(v[1] == "xx");
    v.pop_back();
    CHECK(v.size() == 2);
    CHECK_FALSE(v == inplace_vector<std::string, 3>{"one", "xx", "three"});
    CHECK(std::count(v.begin(), v.end(), "xx") == 1);
    v.clear();
    CHECK(v.empty());
}

TEST_CASE("an inplace_vector is copied and moved element by element")
{
    inplace_vector<std::string, 4> v{"a", "b"};
    const inplace_vector<std::string, 4> copy = v;
    CHECK(copy == v);
    inplace_vector<std::string, 4> other{"x", "y", "z"};
    other = v;
    CHECK(other == copy);
    const auto& same = other;
    other = same;
    CHECK(other == copy);

    inplace_vector<std::unique_ptr<int>, 4> owners;
    owners.push_back(std::make_unique<int>(1));
    owners.push_back(std::make_unique<int>(2));
    auto moved = std::move(owners);
    REQUIRE(moved.size() == 2);
    CHECK(*moved[1] == 2);
    owners = std::move(moved);
    CHECK(*owners[0] == 1);
    static_assert(std::is_nothrow_move_constructible_v<inplace_vector<std::unique_ptr<int>, 4>>);
}

TEST_CASE("a copy that throws leaves nothing behind")
{
    int copies = -2; // with the four that fill the source it does not come to three
    {
        inplace_vector<throws_on_third_copy, 4> v;
        const throws_on_third_copy one(copies);
        for (int k = 0; k < 4; ++k)
            v.push_back(one);
        CHECK(throws_on_third_copy::alive == 5);
        copies = 0;
        using vector = inplace_vector<throws_on_third_copy, 4>;
        CHECK_THROWS_WITH(static_cast<void>(vector{std::as_const(v)}), "the third copy");
        CHECK(throws_on_third_copy::alive == 5);
    }
    CHECK(throws_on_third_copy::alive == 0);
}
