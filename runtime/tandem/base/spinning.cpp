#include <tandem/base/config.hpp>
#include <tandem/base/spinning.hpp>

#include <chrono>
#include <thread>

namespace tandem::detail {

namespace {

constexpr int pauses_between = 96; // some microseconds

// Whether the last yield let somebody run: with fewer processors than threads in question, it will be so again.
constinit thread_local bool processor_is_shared = false;

} // namespace

std::int64_t spinning::turn(int pauses) noexcept
{
    if (pauses_left_ > 0 && !processor_is_shared) {
        pauses_left_ -= pauses;
        for (int k = 0; k < pauses; ++k)
            cpu_relax();
        return 0;
    }
    pauses_left_ = pauses_between;
    using clock = std::chrono::steady_clock;
    const clock::time_point before = clock::now();
    std::this_thread::yield();
    const std::int64_t away = std::chrono::duration_cast<std::chrono::nanoseconds>(clock::now() - before).count();
    processor_is_shared = away > to_somebody_ns;
    return away;
}

} // namespace tandem::detail
