// What the tests of stop tokens share.
#pragma once

#include <tandem/base/config.hpp>
#include <tandem/cancel/stop_token.hpp>

#include <atomic>
#include <functional>
#include <thread>
#include <vector>

namespace tandem::test {

// A stop_callback that can be kept in a container and made and destroyed at will.
using counting = stop_callback<std::function<void()>>;

// Runs each of the functions on a thread of its own; returns when all have.
template <class... F>
void run_on_threads(F... functions)
{
    std::vector<std::thread> threads;
    (threads.emplace_back(functions), ...);
    for (std::thread& thread : threads)
        thread.join();
}

inline void wait_until(const std::atomic<bool>& flag)
{
    while (!flag.load())
        std::this_thread::yield();
}

// The rounds of a stress, so that it takes a second or so also when instrumented.
#if TANDEM_TSAN || TANDEM_ASAN || !defined(__OPTIMIZE__)
inline constexpr int rounds = 2'000;
#else
inline constexpr int rounds = 6'000;
#endif

} // namespace tandem::test
