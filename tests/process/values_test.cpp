// What crosses: values of every kind, small and large, and functions.
#include "sample_types.hpp"
#include "support.hpp"

#include <tandem/process/process_pool.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

using namespace tandem;
using namespace tandem::test;

namespace {

template <class T>
T same(T value)
{
    return value;
}

/// There and back, alone and as items.
template <class T>
void check(process_pool& pool, const T& value)
{
    CHECK(pool.apply(same<T>, value) == value);
    CHECK(pool.map(same<T>, std::vector<T>{value, value, value}) == std::vector<T>{value, value, value});
}

task<int> later(int n) { co_return n + 1; }

struct twice {
    int operator()(int n) const { return 2 * n; }
};

struct account {
    int balance;
    [[nodiscard]] int plus(int n) const { return balance + n; }
};

} // namespace

template <>
struct tandem::codec<account> : tandem::bytes_codec<account> {};

TEST_CASE("values of every kind, alone and as items")
{
    process_pool pool{2};
    check(pool, 1e300);                                  // a block of bytes
    check(pool, true);                                   // std::vector<bool>
    check(pool, std::string("a text\0with a zero", 18)); // one by one, by a codec of ours
    check(pool, person{"Ada", {1, 2, 3}});               // by cereal
    check(pool, celsius(20.5));                          // by a codec of the user's, and no default constructor
    check(pool, std::tuple(colour::green, point{1, 2}, std::map<std::string, std::vector<int>>{{"a", {1, 2}}, {"b", {}}},
                    std::optional<point>(), std::variant<int, std::string>("text")));
}

TEST_CASE("pointers that own cross with what they own")
{
    process_pool pool{1};
    CHECK(*pool.apply(
              [](std::unique_ptr<int> p) {
                  ++*p;
                  return p;
              },
              std::make_unique<int>(41)) == 42);
    CHECK(
        pool.apply([](const std::shared_ptr<person>& p) { return p->name; }, std::make_shared<person>(person{"Ada", {}})) == "Ada");
}

TEST_CASE("functions of all kinds that have an address or are nothing but a type")
{
    process_pool pool{1};
    CHECK(pool.apply(same<int>, 1) == 1);
    CHECK(pool.apply(&same<int>, 2) == 2);
    CHECK(pool.apply([](auto n) { return n; }, 3) == 3);
    CHECK(pool.apply(twice{}, 4) == 8);
    CHECK(pool.apply(std::plus<>(), 2, 3) == 5);
    CHECK(pool.apply(&account::plus, account{40}, 2) == 42);
    CHECK(pool.apply(&account::balance, account{40}) == 40);
    CHECK(pool.map(twice{}, std::vector{1, 2}) == std::vector{2, 4});
    // A function as an argument of another.
    CHECK(pool.apply([](int (*f)(int), int n) { return f(n); }, same<int>, 5) == 5);
}

TEST_CASE("a coroutine function runs to its end in the worker")
{
    process_pool pool{2};
    CHECK(pool.apply(later, 1) == 2);
    CHECK(pool.apply_async(later, args(2)).get() == 3);
    CHECK(pool.map(later, std::vector{1, 2, 3}) == std::vector{2, 3, 4});
    CHECK(pool.map_async(later, std::vector{1, 2, 3}).get() == std::vector{2, 3, 4});
    int sum = 0;
    for (const int n : pool.imap(later, std::vector{1, 2, 3}))
        sum += n;
    CHECK(sum == 9);
}

TEST_CASE("what a function returns by reference comes back as a value")
{
    process_pool pool{1};
    constexpr auto name = [](const std::string& s) -> const std::string& { return s; };
    CHECK(pool.apply(name, std::string("x")) == "x");
    CHECK(pool.apply_async(name, args(std::string("y"))).get() == "y");
}

TEST_CASE("texts of every size around the limits of a frame")
{
    process_pool pool{1};
    for (const std::size_t n :
        {0u, 1u, 15u, 16u, 2000u, 2048u, 4096u, 65'536u, 131'000u, 131'064u, 131'072u, 131'073u, 262'144u, 1'000'000u}) {
        CAPTURE(n);
        const std::string text(n, 'x');
        REQUIRE(pool.apply(same<std::string>, text) == text);
        REQUIRE(pool.apply_async(same<std::string>, args(text)).get() == text);
        const std::vector<std::string> many(n / 1000, std::string(1000, 'y'));
        REQUIRE(pool.apply(same<std::vector<std::string>>, many) == many);
    }
}

TEST_CASE("256 MiB there and back")
{
    process_pool pool{1};
    const std::size_t n = (TANDEM_TSAN || TANDEM_ASAN ? 16u : 256u) << 17;
    std::vector<double> numbers(n);
    for (std::size_t i = 0; i < n; ++i)
        numbers[i] = static_cast<double>(i);
    const std::vector<double> back = pool.apply(same<std::vector<double>>, numbers);
    CHECK(back == numbers);
}

TEST_CASE("many large arguments in the queue need no descriptor each")
{
    process_pool pool{2};
    const std::size_t before = test::descriptors_of();
    std::vector<async_result<std::size_t>> handles;
    const std::string text(200'000, 'x');
    for (int i = 0; i < 300; ++i)
        handles.push_back(pool.apply_async([](const std::string& s) { return s.size(); }, args(text)));
    CHECK(test::descriptors_of() <= before + 70);
    for (auto& h : handles)
        REQUIRE(h.get() == text.size());
    handles.clear();
    CHECK(test::descriptors_of() == before);
}

TEST_CASE("progress and stats")
{
    process_pool pool{2};
    std::size_t last = 0;
    pool.map(same<int>, std::vector<int>(100), {.chunk = 7, .progress = [&](std::size_t done, std::size_t all) {
                                                    CHECK(done > last);
                                                    CHECK(all == 100);
                                                    last = done;
                                                }});
    CHECK(last == 100);
    pool.apply_async(same<int>, args(1)).get();
    CHECK(pool.try_apply_async(same<int>, args(1))->get() == 1);
    CHECK(test::eventually([&] { return pool.stats().completed == 3; }));
    const process_pool_stats s = pool.stats();
    CHECK(s.processes == 2);
    CHECK(s.started == 2);
    CHECK(s.submitted == 3);
}
