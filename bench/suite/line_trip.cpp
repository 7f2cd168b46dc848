// line_trip: how long a cache line takes from one processor to another and back, in nanoseconds, between the first two that we may use. On a
// large machine it is some 50, 100 or 500, by what the two share; where these are virtual it changes by the second, and with it whatever two
// threads do together.

#include "suite.hpp"

#include <atomic>
#include <thread>

#include <pthread.h>
#include <sched.h>

namespace {

constexpr int trips = 200'000;

struct alignas(tandem::cache_line) line {
    std::atomic<int> turn{0};
};

void stay_on(int processor)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(processor, &one);
    ::pthread_setaffinity_np(::pthread_self(), sizeof(one), &one);
}

void wait_for(const line& l, int turn)
{
    while (l.turn.load(std::memory_order_acquire) != turn) { // no pause, which would be a part of what is measured
    }
}

} // namespace

int main()
{
    cpu_set_t ours;
    CPU_ZERO(&ours);
    ::sched_getaffinity(0, sizeof(ours), &ours);
    int found[2];
    int n = 0;
    for (int p = 0; p < CPU_SETSIZE && n < 2; ++p)
        if (CPU_ISSET(p, &ours))
            found[n++] = p;
    if (n < 2) {
        std::fputs("line_trip: there is only one processor\n", stderr);
        return 1;
    }
    static line there;
    static line back;
    std::thread other([&] {
        stay_on(found[1]);
        for (int k = 1; k <= trips; ++k) {
            wait_for(there, k);
            back.turn.store(k, std::memory_order_release);
        }
    });
    stay_on(found[0]);
    const auto us = suite::timed([] {
        for (int k = 1; k <= trips; ++k) {
            there.turn.store(k, std::memory_order_release);
            wait_for(back, k);
        }
    });
    other.join();
    std::printf("round trip: %.0f ns\n", static_cast<double>(us) * 1000 / trips);
}
