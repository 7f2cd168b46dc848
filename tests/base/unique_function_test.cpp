#include <tandem/base/unique_function.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

using namespace tandem;

namespace {

int twice(int x) { return 2 * x; }

// A callable of a chosen size that counts its lives; in place when it fits, else on the heap.
template <std::size_t Size>
struct counted_call {
    static inline int alive = 0;
    static inline int moves = 0;

    counted_call() { ++alive; }
    counted_call(counted_call&& other) noexcept : calls(other.calls) { ++alive, ++moves; }
    counted_call& operator=(counted_call&&) = delete;
    ~counted_call() { --alive; }
    int operator()(int x) { return x + ++calls; }

    int calls = 0;
    std::array<std::byte, Size - sizeof(int)> rest{};
};

} // namespace

static_assert(!std::is_copy_constructible_v<unique_function<void()>>);
static_assert(std::is_nothrow_move_constructible_v<unique_function<void()>>);
static_assert(std::is_nothrow_move_assignable_v<unique_function<void()>>);
static_assert(sizeof(unique_function<void()>) == 5 * sizeof(void*));
static_assert(std::is_constructible_v<unique_function<int(int)>, int (*)(int)>);
static_assert(!std::is_constructible_v<unique_function<int(int)>, std::string>);
static_assert(!std::is_constructible_v<unique_function<int(int)>, int (*)(std::string)>);
static_assert(!std::is_constructible_v<unique_function<std::string()>, void (*)()>);

TEST_CASE("a unique_function calls what it holds")
{
    unique_function<int(int)> f = [offset = 3](int x) { return x + offset; };
    REQUIRE(f);
    CHECK(f(4) == 7);

    f = twice;
    CHECK(f(4) == 8);
    f = &twice;
    CHECK(f(5) == 10);
}

TEST_CASE("it holds what can only be moved, and lets it keep state")
{
    unique_function<int()> f = [p = std::make_unique<int>(1)] { return (*p)++; };
    CHECK(f() == 1);
    CHECK(f() == 2);
    unique_function<int()> g = std::move(f);
    CHECK(g() == 3);
    CHECK_FALSE(static_cast<bool>(f));
}

TEST_CASE("arguments and results are passed on as they are")
{
    unique_function<std::unique_ptr<int>(std::unique_ptr<int>)> through = [](std::unique_ptr<int> p) { return p; };
    CHECK(*through(std::make_unique<int>(5)) == 5);

    int i = 0;
    unique_function<int&(int&)> same = [](int& x) -> int& { return x; };
    CHECK(&same(i) == &i);

    unique_function<void(int)> drops = twice;
    drops(1);

    unique_function<std::string(const char*)> converts = [](const char* s) { return s; };
    CHECK(converts("text") == "text");

    struct immovable {
        explicit immovable(int v) : value(v) {}
        immovable(immovable&&) = delete;
        immovable& operator=(immovable&&) = delete;
        int value;
    };
    unique_function<immovable()> makes = [] { return immovable{6}; };
    CHECK(makes().value == 6);
}

TEST_CASE("pointers to members are called as by std::invoke")
{
    struct point {
        int x;
        int plus(int n) { return x + n; }
    };
    point p{4};
    unique_function<int(point&, int)> method = &point::plus;
    CHECK(method(p, 1) == 5);
    unique_function<int(point*)> member = &point::x;
    CHECK(member(&p) == 4);
}

TEST_CASE("what is null makes an empty one")
{
    CHECK_FALSE(static_cast<bool>(unique_function<int(int)>{}));
    CHECK_FALSE(static_cast<bool>(unique_function<int(int)>{nullptr}));

    int (*const no_function)(int) = nullptr;
    CHECK_FALSE(static_cast<bool>(unique_function<int(int)>{no_function}));
    CHECK_FALSE(static_cast<bool>(unique_function<int(int)>{std::function<int(int)>{}}));
    int (std::string::* const no_member)() = nullptr;
    CHECK_FALSE(static_cast<bool>(unique_function<int(std::string&)>{no_member}));

    CHECK(static_cast<bool>(unique_function<int(int)>{std::function<int(int)>{twice}}));
    CHECK(static_cast<bool>(unique_function<int(int)>{[](int x) { return x; }}));

    unique_function<int(int)> f = twice;
    CHECK(f != nullptr);
    f = nullptr;
    CHECK(f == nullptr);
}

TEST_CASE_TEMPLATE(
    "the callable lives once and is destroyed once", C, counted_call<8>, counted_call<32>, counted_call<40>, counted_call<256>)
{
    constexpr bool in_place = sizeof(C) <= 4 * sizeof(void*);
    C::moves = 0;
    {
        unique_function<int(int)> f = C{};
        CHECK(C::alive == 1);
        CHECK(C::moves == 1);
        CHECK(f(10) == 11);

        unique_function<int(int)> g = std::move(f);
        CHECK(C::alive == 1);
        CHECK(C::moves == (in_place ? 2 : 1));

        f = std::move(g);
        CHECK(C::alive == 1);
        CHECK(f(10) == 12); // its state came with it

        f = [](int x) { return x; };
        CHECK(C::alive == 0);

        f = C{};
        g = C{};
        CHECK(C::alive == 2);
        f = std::move(g);
        CHECK(C::alive == 1);
        auto& same = f;
        f = std::move(same);
        CHECK(C::alive == 1);
        CHECK(f(1) == 2);
    }
    CHECK(C::alive == 0);
}

TEST_CASE("swap exchanges whatever the two hold")
{
    unique_function<int(int)> small = twice;
    unique_function<int(int)> large = counted_call<256>{};
    swap(small, large);
    CHECK(small(1) == 2);
    CHECK(large(4) == 8);
    unique_function<int(int)> none;
    large.swap(none);
    CHECK_FALSE(static_cast<bool>(large));
    CHECK(none(4) == 8);
}

TEST_CASE("a callable with a greater alignment sits as it should")
{
    struct alignas(64) aligned {
        std::uintptr_t operator()() const { return reinterpret_cast<std::uintptr_t>(this) % 64; }
    };
    unique_function<std::uintptr_t()> f = aligned{};
    CHECK(f() == 0);
    unique_function<std::uintptr_t()> g = std::move(f);
    CHECK(g() == 0);
}

TEST_CASE("what the callable throws passes through")
{
    unique_function<void()> f = [] { throw std::runtime_error{"thrown"}; };
    CHECK_THROWS_WITH_AS(f(), "thrown", std::runtime_error);
    CHECK(static_cast<bool>(f));
}

TEST_CASE("construction that throws leaks nothing")
{
    struct throws {
        throws() = default;
        throws(const throws&) { throw std::runtime_error{"no copy"}; }
        throws& operator=(const throws&) = default;
        void operator()() const {}
        std::string text = "long enough to be on the heap, so that a leak is seen";
    };
    const throws original;
    CHECK_THROWS_AS(unique_function<void()>{original}, std::runtime_error);
}
