// What the programs of the suite share: the command line, the clock, and the report, in the format of the public tzcnt/runtime-benchmarks.
#pragma once

#include <tandem/pool/thread_pool.hpp>

#include <fmt/core.h>

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
    fmt::print("threads: {}\n", n);
    return n;
}

/// Ends the program when an answer is wrong: a benchmark of wrong answers measures nothing.
template <class T>
void expect(const T& got, const T& wanted, const char* what)
{
    if (got == wanted)
        return;
    fmt::print(stderr, "wrong answer: {} is {}, not {}\n", what, got, wanted);
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
    fmt::print("runs:\n  - {}\n    duration: {} us\n{}    max_rss: {} KiB\n", items, us, rates, peak_kib());
}

} // namespace suite
