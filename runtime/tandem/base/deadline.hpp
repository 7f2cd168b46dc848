#pragma once

#include <chrono>
#include <cstdint>
#include <limits>

namespace tandem {

/// `d` in nanoseconds, rounded up; what is too long for that, or not a number, as the longest there is, which never ends.
template <class Rep, class Period>
std::int64_t nanoseconds_of(std::chrono::duration<Rep, Period> d) noexcept
{
    constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
    const double approximate = std::chrono::duration<double, std::nano>(d).count();
    if (approximate <= -9e18)
        return std::numeric_limits<std::int64_t>::min();
    if (!(approximate < 9e18)) // a little short of the end, for what the double rounds off
        return most;
    return std::chrono::ceil<std::chrono::duration<std::int64_t, std::nano>>(d).count();
}

/// The point `ns` after `now`, or the last one there is, which never comes.
inline std::int64_t later_by(std::int64_t now, std::int64_t ns) noexcept
{
    constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
    return ns > 0 && now > most - ns ? most : now + ns;
}

/// The point of time `d` from now; what is too far for the clock is its last point, which never comes. For implementers of waits.
template <class Rep, class Period>
std::chrono::steady_clock::time_point deadline_after(std::chrono::duration<Rep, Period> d)
{
    using clock = std::chrono::steady_clock;
    using seconds = std::chrono::duration<double>;
    const clock::time_point now = clock::now();
    if (!(d > d.zero()))
        return now;
    // An hour short of the end, for what the double rounds off.
    if (seconds(d) >= seconds(clock::time_point::max() - now - std::chrono::hours(1)))
        return clock::time_point::max();
    return now + std::chrono::ceil<clock::duration>(d);
}

} // namespace tandem
