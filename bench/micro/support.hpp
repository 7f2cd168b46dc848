#pragma once

#include <tandem/io/executor.hpp>
#include <tandem/pool/thread_pool.hpp>

#include <asio/thread_pool.hpp>
#include <benchmark/benchmark.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <stdexcept>
#include <vector>

namespace bench {

/// The two that are compared, of one size; made at the first use, idle while the other is measured.
inline tandem::thread_pool& tandem_pool()
{
    static tandem::thread_pool pool;
    return pool;
}
inline asio::thread_pool& asio_pool()
{
    static asio::thread_pool pool(tandem::default_thread_count());
    return pool;
}

/// What every task calls, so that somebody can wait for all of them.
class countdown {
public:
    void start(std::size_t n) { left_.store(n, std::memory_order_relaxed); }
    void arrive() noexcept
    {
        if (left_.fetch_sub(1, std::memory_order_acq_rel) == 1)
            left_.notify_one();
    }
    void wait() noexcept
    {
        for (std::size_t n; (n = left_.load(std::memory_order_acquire)) != 0;)
            left_.wait(n, std::memory_order_acquire);
    }

private:
    std::atomic<std::size_t> left_{0};
};
/// The one of this benchmark; static, because the last to arrive may still notify when the waiter has gone on.
inline countdown all_done;

/// Says how many operations one iteration is; the report divides by it.
inline void operations(benchmark::State& state, std::size_t n) { state.counters["operations"] = static_cast<double>(n); }

inline void expect(bool condition, const char* what)
{
    if (!condition)
        throw std::logic_error(what);
}

/// The value below which a share `p` of `v` lies; sorts `v`.
inline double percentile(std::vector<double>& v, double p)
{
    if (v.empty())
        return 0;
    std::sort(v.begin(), v.end());
    return v[std::min(v.size() - 1, static_cast<std::size_t>(p * static_cast<double>(v.size())))];
}

/// Iterations are few and of fixed number, so that a run takes seconds; the repetitions are what steadies the figures.
inline void fixed(benchmark::internal::Benchmark* b, int iterations)
{
    b->Iterations(iterations)->UseRealTime()->MeasureProcessCPUTime();
}

} // namespace bench

/// BENCH(function, "case/who", iterations)
#define BENCH(function, name, iterations)                                                                                          \
    BENCHMARK(function)->Name(name)->Apply([](benchmark::internal::Benchmark* b) { bench::fixed(b, iterations); })
