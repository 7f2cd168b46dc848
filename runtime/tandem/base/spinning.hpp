#pragma once

#include <cstdint>

namespace tandem::detail {

/// Waits in a loop, for some microseconds, for what another thread is about to do. Now and then a turn gives the processor to whoever wants
/// it: that may be the thread which is waited for. Where it was so the last time, this thread's turns begin with that.
class spinning {
public:
    /// One turn between two looks: `pauses` times cpu_relax, or a yield. Returns for how many nanoseconds others had the processor.
    std::int64_t turn(int pauses) noexcept;
    /// A yield to nobody takes a few hundred nanoseconds, and one to another thread two switches.
    static constexpr std::int64_t to_somebody_ns = 900;

private:
    // A first time soon: who was just woken may have been put on this processor. Not at once, for a quick answer comes in less than it costs.
    static constexpr int pauses_before_first = 12;

    int pauses_left_ = pauses_before_first; // until it yields
};

} // namespace tandem::detail
