#include <tandem/sync/detail/spin_lock.hpp>

#include <thread>

namespace tandem::detail {

namespace {

constexpr int most_turns = 7;         // the longest pause is 2 to this many instructions, a microsecond or two
constexpr int turns_before_yield = 9; // whoever holds a lock that long has lost its processor

} // namespace

void spin_wait::pause() noexcept
{
    if (turns_ < turns_before_yield) {
        const int pauses = 1 << (turns_ < most_turns ? turns_ : most_turns);
        ++turns_;
        for (int k = 0; k < pauses; ++k)
            cpu_relax();
    }
    else {
        std::this_thread::yield();
    }
}

void spin_lock::lock_slowly() noexcept
{
    spin_wait wait;
    do {
        wait.pause();
        // Relaxed: this only looks whether it is worth trying; the exchange decides, and acquires.
    } while (held_.load(std::memory_order_relaxed) || held_.exchange(true, std::memory_order_acquire));
}

} // namespace tandem::detail
