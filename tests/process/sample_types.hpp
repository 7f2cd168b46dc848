// Types that cross to worker processes, each in its own way.
#pragma once

#include <tandem/process/codec.hpp>

#include <compare>
#include <cstdint>
#include <string>
#include <vector>

namespace tandem::test {

/// With cereal, as a member.
struct person {
    std::string name;
    std::vector<int> scores;

    template <class Archive>
    void serialize(Archive& archive)
    {
        archive(name, scores);
    }
    bool operator==(const person&) const = default;
};

/// Nothing but bytes.
struct point {
    int x = 0;
    int y = 0;
    auto operator<=>(const point&) const = default;
};

/// With a codec of its own, and no default constructor.
class celsius {
public:
    explicit celsius(double d) : degrees(d) {}
    double degrees;
    bool operator==(const celsius&) const = default;
};

enum class colour : std::uint8_t { red, green };

} // namespace tandem::test

template <>
struct tandem::codec<tandem::test::point> : tandem::bytes_codec<tandem::test::point> {};
template <>
struct tandem::codec<tandem::test::celsius> {
    static void encode(encoder& to, const test::celsius& c) { codec<double>::encode(to, c.degrees); }
    static test::celsius decode(decoder& from) { return test::celsius(codec<double>::decode(from)); }
};
