#include <tandem/sync/detail/spin_lock.hpp>

#include <thread>

namespace tandem::detail {

namespace {

constexpr int pauses = 128;           // a microsecond or a few
constexpr int looks_before_yield = 3; // whoever holds a lock that long has lost its processor

} // namespace

void spin_wait::pause() noexcept
{
    if (looks_ < looks_before_yield) {
        ++looks_;
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
