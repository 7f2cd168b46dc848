// What the programs of the suite share: the command line, the clock, and the report, in the format of the public tzcnt/runtime-benchmarks.
// They print with the C library, as those do: one library less counts in the peak memory.
#pragma once

#include <tandem/pool/thread_pool.hpp>

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace suite {

/// The k-th argument as a number, or `otherwise`.
inline std::size_t argument(int argc, char** argv, int k, std::size_t otherwise)
{
    return argc > k ? std::strtoull(argv[k], nullptr, 10) : otherwise;
}

/// The k-th argument as a number of threads, also printed; otherwise half of the hardware's, which are as many as there are cores where
/// each has two.
inline std::size_t threads(int argc, char** argv, int k)
{
    const std::size_t n = argument(argc, argv, k, std::max<std::size_t>(tandem::default_thread_count() / 2, 1));
    std::printf("threads: %zu\n", n);
    return n;
}

/// Ends the program when an answer is wrong: a benchmark of wrong answers measures nothing.
template <class T>
void expect(const T& got, const T& wanted, const char* what)
{
    if (got == wanted)
        return;
    std::fprintf(stderr, "wrong answer: %s is %s, not %s\n", what, std::to_string(got).c_str(), std::to_string(wanted).c_str());
    std::exit(1);
}

inline long peak_kib()
{
    rusage r{};
    ::getrusage(RUSAGE_SELF, &r);
    return r.ru_maxrss;
}

/// Microseconds that `f` takes.
template <class F>
long long timed(F&& f)
{
    const auto begin = std::chrono::steady_clock::now();
    f();
    return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - begin).count();
}

/// The list of runs, which here is always one.
inline void report(const std::string& items, long long us, const std::string& rates = {})
{
    std::printf("runs:\n  - %s\n    duration: %lld us\n%s    max_rss: %ld KiB\n", items.c_str(), us, rates.c_str(), peak_kib());
}
/// The same of so many things, and how many a second.
inline void report(const std::string& things, std::size_t n, long long us)
{
    report("iteration_count: 1\n    " + things + ": " + std::to_string(n), us,
        "    " + things + "/sec: " + std::to_string(n * 1'000'000 / static_cast<std::size_t>(us)) + "\n");
}

} // namespace suite
