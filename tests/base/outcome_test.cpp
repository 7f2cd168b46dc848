#include <tandem/base/outcome.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

using namespace tandem;

namespace {

// Counts what is made of it, and what is left.
struct counted {
    static inline int alive = 0;
    static inline int copies = 0;
    static inline int moves = 0;
    static void start() { alive = copies = moves = 0; }

    explicit counted(int v) : value(v) { ++alive; }
    counted(const counted& other) : value(other.value) { ++alive, ++copies; }
    counted(counted&& other) noexcept : value(std::exchange(other.value, -1)) { ++alive, ++moves; }
    counted& operator=(const counted&) = delete;
    ~counted() { --alive; }
    int value;
};

struct immovable {
    explicit immovable(int v) : value(v) {}
    immovable(const immovable&) = delete;
    immovable& operator=(const immovable&) = delete;
    int value;
};

struct greedy { // can be made of anything: must still be made of the result only
    greedy() = default;
    template <class U>
        requires(!std::is_same_v<std::remove_cvref_t<U>, greedy>)
    explicit greedy(U&&) : from_other(true)
    {
    }
    bool from_other = false;
};

struct throws_when_copied {
    throws_when_copied() = default;
    throws_when_copied(const throws_when_copied&) { throw std::runtime_error{"no copy"}; }
    throws_when_copied& operator=(const throws_when_copied&) = default;
};

std::exception_ptr an_error(const char* text = "bad") { return std::make_exception_ptr(std::runtime_error{text}); }

} // namespace

static_assert(std::is_nothrow_default_constructible_v<outcome<immovable>>);
static_assert(!std::is_move_constructible_v<outcome<immovable>>);
static_assert(!std::is_copy_constructible_v<outcome<immovable>>);
static_assert(std::is_nothrow_move_constructible_v<outcome<std::unique_ptr<int>>>);
static_assert(std::is_move_assignable_v<outcome<std::unique_ptr<int>>>);
static_assert(!std::is_copy_constructible_v<outcome<std::unique_ptr<int>>>);
static_assert(!std::is_copy_assignable_v<outcome<std::unique_ptr<int>>>);
static_assert(std::is_copy_constructible_v<outcome<std::string>>);
static_assert(std::is_copy_constructible_v<outcome<void>>);
static_assert(std::is_copy_constructible_v<outcome<immovable&>>);
static_assert(!std::is_convertible_v<outcome<int>, bool>);
static_assert(sizeof(outcome<int>) == 2 * sizeof(void*));
static_assert(sizeof(outcome<int&>) == 2 * sizeof(void*));
static_assert(sizeof(outcome<void>) == 2 * sizeof(void*));

TEST_CASE_TEMPLATE("an outcome starts empty", T, int, std::string, immovable, immovable&, void)
{
    const outcome<T> o;
    CHECK(o.empty());
    CHECK_FALSE(o.has_value());
    CHECK_FALSE(o.has_error());
    CHECK_FALSE(static_cast<bool>(o));
    CHECK(o.error() == nullptr);
}

TEST_CASE("an outcome holds a value")
{
    outcome<std::string> o;
    CHECK(o.emplace(3U, 'x') == "xxx");
    REQUIRE(o);
    CHECK(o.value() == "xxx");
    CHECK(*o == "xxx");
    CHECK(o->size() == 3);
    CHECK(std::as_const(o).value() == "xxx");
    CHECK(o.error() == nullptr);

    o.emplace("again");
    CHECK(o.value() == "again");
    const std::string moved = std::move(o).value();
    CHECK(moved == "again");
}

TEST_CASE("an outcome of a move-only value is moved out of")
{
    outcome<std::unique_ptr<int>> o;
    o.emplace(std::make_unique<int>(7));
    outcome<std::unique_ptr<int>> other = std::move(o);
    const std::unique_ptr<int> p = std::move(other).value();
    CHECK(*p == 7);
}

TEST_CASE_TEMPLATE("value() throws the error as it was thrown", T, int, std::string, int&, void)
{
    outcome<T> o;
    o.set_error(an_error("gone"));
    CHECK(o.has_error());
    CHECK_FALSE(o.has_value());
    CHECK(o.error() != nullptr);
    CHECK_THROWS_WITH_AS(o.value(), "gone", std::runtime_error);
    CHECK_THROWS_WITH_AS(std::move(o).value(), "gone", std::runtime_error);
    CHECK(o.has_error()); // as often as one likes

    const outcome<T> copy = o;
    CHECK(copy.error() == o.error());

    const outcome<T> taken = std::move(o);
    CHECK(taken.has_error());
    CHECK(o.empty());
}

TEST_CASE("what an outcome held is destroyed once")
{
    counted::start();
    {
        outcome<counted> o;
        o.emplace(1);
        CHECK(counted::alive == 1);
        o.emplace(2);
        CHECK(counted::alive == 1);
        o.set_error(an_error());
        CHECK(counted::alive == 0);
        o.emplace(3);
        o.reset();
        CHECK(counted::alive == 0);
        CHECK(o.empty());
        o.emplace(4);

        outcome<counted> copy = o;
        CHECK(counted::copies == 1);
        CHECK(copy.value().value == 4);
        const outcome<counted> moved = std::move(copy);
        CHECK(counted::moves == 1);
        CHECK(moved->value == 4);
        CHECK(counted::alive == 3);
        o = moved;
        CHECK(counted::alive == 3);
        CHECK(o->value == 4);
        o = outcome<counted>{};
        CHECK(o.empty());
        CHECK(counted::alive == 2);
    }
    CHECK(counted::alive == 0);
}

TEST_CASE("assignment to itself changes nothing")
{
    outcome<std::string> o;
    o.emplace("kept, and longer than a small string");
    auto& same = o;
    o = same;
    CHECK(*o == "kept, and longer than a small string");
    o = std::move(same);
    CHECK(*o == "kept, and longer than a small string");
}

TEST_CASE("a constructor that throws leaves the outcome empty")
{
    const throws_when_copied original;
    outcome<throws_when_copied> o;
    o.emplace();
    CHECK_THROWS_AS(o.emplace(original), std::runtime_error);
    CHECK(o.empty());

    outcome<throws_when_copied> full;
    full.emplace();
    o.set_error(an_error());
    CHECK_THROWS_AS(o = full, std::runtime_error);
    CHECK(o.empty());
}

TEST_CASE("an outcome of a reference gives the object referred to")
{
    immovable object{5};
    outcome<immovable&> o;
    CHECK(&o.emplace(object) == &object);
    static_assert(std::is_same_v<decltype(o.value()), immovable&>);
    CHECK(&o.value() == &object);
    CHECK(&*o == &object);
    o->value = 6;
    CHECK(object.value == 6);

    const int constant = 1;
    outcome<const int&> c;
    c.emplace(constant);
    CHECK(&c.value() == &constant);
}

TEST_CASE("an outcome of void says that it was done")
{
    outcome<void> o;
    o.emplace();
    CHECK(o.has_value());
    o.value();
    static_assert(std::is_void_v<decltype(o.value())>);
}

TEST_CASE("value_or gives the value or the other")
{
    outcome<std::string> o;
    CHECK(o.value_or("none") == "none");
    o.set_error(an_error());
    CHECK(o.value_or("none") == "none");
    o.emplace("some");
    CHECK(o.value_or("none") == "some");
    CHECK(std::move(o).value_or("none") == "some");

    int i = 4;
    outcome<int&> r;
    CHECK(r.value_or(3) == 3);
    r.emplace(i);
    CHECK(r.value_or(3) == 4);
}

TEST_CASE("capture keeps what the function returned")
{
    outcome<int> sum;
    capture(sum, [](int a, int b) { return a + b; }, 2, 3);
    CHECK(sum.value() == 5);

    outcome<void> done;
    capture(done, [] {});
    CHECK(done.has_value());

    int i = 0;
    outcome<int&> reference;
    capture(reference, [&]() -> int& { return i; });
    CHECK(&reference.value() == &i);

    outcome<std::unique_ptr<int>> owned;
    capture(owned, [](std::unique_ptr<int> p) { return p; }, std::make_unique<int>(9));
    CHECK(**owned == 9);

    outcome<const std::string> constant;
    capture(constant, []() -> const std::string { return "const"; });
    CHECK(*constant == "const");
}

TEST_CASE("capture makes the value in its place")
{
    counted::start();
    outcome<counted> o;
    capture(o, [] { return counted{1}; });
    CHECK(o->value == 1);
    CHECK(counted::moves == 0);
    CHECK(counted::copies == 0);

    outcome<immovable> fixed;
    capture(fixed, [](int v) { return immovable{v}; }, 2);
    CHECK(fixed->value == 2);
    capture(fixed, [] { return immovable{3}; });
    CHECK(fixed->value == 3);

    outcome<greedy> g;
    capture(g, [] { return greedy{}; });
    CHECK_FALSE(g->from_other);
}

TEST_CASE_TEMPLATE("capture keeps what the function threw", T, int, std::string, immovable, int&, void)
{
    outcome<T> o;
    capture(o, []() -> T { throw std::out_of_range{"far"}; });
    CHECK(o.has_error());
    CHECK_THROWS_WITH_AS(o.value(), "far", std::out_of_range);
}

TEST_CASE("capture over a value that was there keeps only the error")
{
    counted::start();
    outcome<counted> o;
    o.emplace(1);
    capture(o, []() -> counted { throw 42; });
    CHECK(counted::alive == 0);
    CHECK_THROWS_AS(o.value(), int);

    outcome<void> v;
    v.emplace();
    capture(v, [] { throw 42; });
    CHECK_THROWS_AS(v.value(), int);
}

TEST_CASE("capture calls all that std::invoke calls")
{
    struct account {
        int balance = 10;
        int plus(int n) const { return balance + n; }
    };
    account a;
    const auto owner = std::make_unique<account>();

    outcome<int> sum;
    capture(sum, &account::plus, a, 1);
    CHECK(*sum == 11);
    capture(sum, &account::plus, &a, 2);
    CHECK(*sum == 12);
    capture(sum, &account::plus, std::ref(a), 3);
    CHECK(*sum == 13);
    capture(sum, &account::plus, owner, 4);
    CHECK(*sum == 14);

    outcome<int&> member;
    capture(member, &account::balance, a);
    CHECK(&member.value() == &a.balance);
    capture(member, &account::balance, std::ref(a));
    CHECK(&member.value() == &a.balance);
}

TEST_CASE("a value with a greater alignment sits as it should")
{
    struct alignas(64) wide {
        int value = 1;
    };
    outcome<wide> o;
    o.emplace();
    CHECK(reinterpret_cast<std::uintptr_t>(&*o) % 64 == 0);
}
