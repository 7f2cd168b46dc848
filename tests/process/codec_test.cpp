// codec<T>: values of all types, as the bytes that cross to a worker and back.
#include "sample_types.hpp"

#include <tandem/process/codec.hpp>
#include <tandem/process/detail/payload.hpp>

#include <doctest/doctest.h>

#include <array>
#include <bitset>
#include <chrono>
#include <complex>
#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

using namespace tandem;
using namespace tandem::test;

namespace {

template <class T>
bool crosses(const T& value)
{
    static_assert(sendable_value<T>);
    encoder to;
    codec<T>::encode(to, value);
    const detail::payload bytes = std::move(to).finish();
    const detail::payload_view view(bytes);
    decoder from(view.data(), view.size());
    return codec<T>::decode(from) == value && from.remaining() == 0;
}

} // namespace

TEST_CASE("values of many types")
{
    CHECK(crosses('x'));
    CHECK(crosses(true));
    CHECK(crosses(std::int64_t{-1} << 40));
    CHECK(crosses(1e300));
    CHECK(crosses(colour::green));
    CHECK(crosses(std::string("a text\0with a zero", 18)));
    CHECK(crosses(std::u16string(u"wide")));
    CHECK(crosses(std::vector<int>{}));
    CHECK(crosses(std::array{1.5, 2.5}));
    CHECK(crosses(std::pair(1, std::string("one"))));
    CHECK(crosses(std::tuple(1, 2.5, std::string("x"), std::vector{1, 2})));
    CHECK(crosses(std::map<std::string, std::vector<int>>{{"a", {1, 2}}, {"b", {}}}));
    CHECK(crosses(std::unordered_map<int, std::string>{{1, "one"}, {2, "two"}}));
    CHECK(crosses(std::set<int>{3, 1, 2}));
    CHECK(crosses(std::list<std::string>{"a", "b"}));
    CHECK(crosses(std::deque<double>{1, 2}));
    CHECK(crosses(std::optional<int>{}));
    CHECK(crosses(std::optional<std::string>("some")));
    CHECK(crosses(std::variant<int, std::string>("text")));
    CHECK(crosses(std::complex<double>(1, 2)));
    CHECK(crosses(std::bitset<70>("101")));
    CHECK(crosses(std::chrono::milliseconds(5)));
    CHECK(crosses(person{"Ada", {1, 2, 3}}));
    CHECK(crosses(point{1, 2}));
    CHECK(crosses(std::map<int, point>{{1, {2, 3}}}));
    CHECK(crosses(std::optional<point>(point{1, 2})));
    CHECK(crosses(celsius(20.5)));
}

TEST_CASE("vectors, which is how the results of a map cross")
{
    CHECK(crosses(std::vector<int>(3, 7)));
    CHECK(crosses(std::vector<bool>{true, false, true}));
    CHECK(crosses(std::vector<std::vector<std::string>>{{"a"}, {}, {"b", "c"}}));
    CHECK(crosses(std::vector<person>(3, person{"Ada", {1}})));
    CHECK(crosses(std::vector<point>(3, point{1, 2})));
    CHECK(crosses(std::vector<celsius>(2, celsius(1))));
    CHECK(crosses(std::vector(2, std::tuple(colour::red, std::optional<int>(1)))));
}

TEST_CASE("bytes that are not what they should be")
{
    // A value that ends too early or too late, as from a codec that writes something else than it reads.
    encoder to;
    codec<std::vector<int>>::encode(to, {1, 2, 3});
    const detail::payload bytes = std::move(to).finish();
    const detail::payload_view view(bytes);
    for (std::size_t n = 0; n < view.size(); ++n) {
        decoder from(view.data(), n);
        CHECK_THROWS_AS(codec<std::vector<int>>::decode(from), codec_error);
    }
    const std::uint64_t huge = ~std::uint64_t{0} / 8;
    decoder from(reinterpret_cast<const char*>(&huge), sizeof huge);
    CHECK_THROWS_AS(codec<std::vector<std::string>>::decode(from), codec_error);
}
