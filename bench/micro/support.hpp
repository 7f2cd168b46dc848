#pragma once

#include <tandem/io/executor.hpp>
#include <tandem/pool/thread_pool.hpp>

#include <asio/thread_pool.hpp>
#include <benchmark/benchmark.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <stdexcept>
#include <thread>
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

/// What every task calls, so that somebody can wait for all of them. Each thread counts for itself: one counter for all would be
/// the dearest part of an empty task, and the faster a pool is the more its threads would quarrel about it.
class countdown {
public:
    void start(std::size_t n)
    {
        expected_ = n;
        for (slot& s : slots_)
            s.count.store(0, std::memory_order_relaxed);
    }
    void arrive() noexcept
    {
        static std::atomic<std::size_t> threads{0};
        thread_local const std::size_t mine = threads.fetch_add(1, std::memory_order_relaxed) % slots;
        slots_[mine].count.fetch_add(1, std::memory_order_release);
    }
    void wait() noexcept
    {
        // Asks now and then; what is measured takes a hundred milliseconds.
        while (arrived() != expected_)
            std::this_thread::sleep_for(std::chrono::microseconds(200));
    }

private:
    static constexpr std::size_t slots = 256;
    struct alignas(2 * tandem::cache_line) slot {
        std::atomic<std::size_t> count{0};
    };

    [[nodiscard]] std::size_t arrived() const noexcept
    {
        std::size_t n = 0;
        for (const slot& s : slots_)
            n += s.count.load(std::memory_order_acquire);
        return n;
    }

    std::size_t expected_ = 0;
    slot slots_[slots];
};
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
