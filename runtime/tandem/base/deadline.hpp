#pragma once

#include <chrono>

namespace tandem {

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
