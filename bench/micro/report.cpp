#include "report.hpp"

#include <tandem/pool/thread_pool.hpp>

#include <asio/version.hpp>
#include <fmt/core.h>

#include <algorithm>
#include <cstdio>
#include <string_view>
#include <utility>

namespace bench {

namespace {

/// What is compared, and at most how long the first may take in terms of the second; 0: no target.
struct comparison {
    const char* what;
    const char* ours;
    const char* other;
    double target;
};
constexpr comparison comparisons[] = {
    {"submit from outside", "submit_outside/tandem", "submit_outside/asio", 1},
    {"  keeping the handles", "submit_outside_handles/tandem", "submit_outside_handles/asio", 1},
    {"  from four threads", "submit_outside_4/tandem", "submit_outside_4/asio", 1},
    {"submit from a worker", "submit_inside/tandem", "submit_inside/asio", 1},
    {"submit a tree of tasks", "submit_tree/tandem", "submit_tree/asio", 1},
    {"round trip", "round_trip/tandem", "round_trip/asio", 1},
    {"  and std::async", "round_trip/tandem", "round_trip/std_async", 0},
    // No target: it is the kernel that wakes a thread, here or there.
    {"  when all threads sleep", "round_trip_parked/tandem", "round_trip_parked/asio", 0},
    {"co_spawn an empty task", "co_spawn_outside/tandem", "co_spawn_outside/asio", 0.125},
    {"  keeping the handles", "co_spawn_outside_handles/tandem", "co_spawn_outside_handles/asio", 0.25},
    {"  from a worker", "co_spawn_inside/tandem", "co_spawn_inside/asio", 0.25},
    {"nested co_await, a thousand deep", "co_await_deep/tandem", "co_await_deep/asio", 0.25},
    // No target: five nanoseconds or so are what GCC's code for a frame, two resumptions and a destruction takes, and Asio's frame is
    // hot in the cache here.
    {"  again and again, one deep", "co_await/tandem", "co_await/asio", 0},
    {"fork and join", "fork_join_fib/tandem", "fork_join_fib/asio", 0},
    {"  and oneTBB", "fork_join_fib/tandem", "fork_join_fib/tbb", 0},
    {"  and plain calls", "fork_join_fib/tandem", "fork_join_fib/plain_calls", 0},
    {"two tasks of 5 us, and one by one", "fork_join_5us/tandem", "fork_join_5us/one_by_one", 0.75},
    {"  and oneTBB", "fork_join_5us/tandem", "fork_join_5us/tbb", 0},
    {"lock and unlock a mutex, and std", "mutex_uncontended/tandem", "mutex_uncontended/std", 0},
    {"channel, 4 send and 4 receive", "channel_4_to_4/tandem", "channel_4_to_4/asio", 0.25},
    {"  and Asio's on one thread", "channel_4_to_4/tandem", "channel_4_to_4/asio_one_thread", 0},
    {"  to and fro", "channel_ping_pong/tandem", "channel_ping_pong/asio", 1},
    {"map 100k squares and a loop", "map_100k_squares/tandem", "map_100k_squares/plain_loop", 1},
    {"  and oneTBB", "map_100k_squares/tandem", "map_100k_squares/tbb", 0},
    {"  in place, and a loop", "map_100k_in_place/tandem", "map_100k_in_place/plain_loop", 0.6},
    {"  in place, and oneTBB", "map_100k_in_place/tandem", "map_100k_in_place/tbb", 0},
    {"  in place, and std::execution::par", "map_100k_in_place/tandem", "map_100k_in_place/std_par", 0},
    {"map 1M sines and a loop", "map_1m_sines/tandem", "map_1m_sines/plain_loop", 1},
    {"  and oneTBB", "map_1m_sines/tandem", "map_1m_sines/tbb", 0},
    {"  and std::execution::par", "map_1m_sines/tandem", "map_1m_sines/std_par", 0},
    {"process round trip", "process_round_trip/tandem", "process_round_trip/socketpair", 1.5},
    {"  by apply_async and get", "process_round_trip/apply_async", "process_round_trip/socketpair", 0},
    {"  and Python's", "process_round_trip/tandem", "process_round_trip/python", 0.1},
    {"process map of 100k calls", "process_map_100k/tandem", "process_map_100k/python", 0.05},
    {"64 MiB there and back", "process_64_mib/tandem", "process_64_mib/memcpy", 1.5},
    {"process cpu-bound work", "process_cpu_bound/tandem", "process_cpu_bound/threads", 1.05},
    {"a worker that dies and the next", "process_respawn/tandem", "process_respawn/fork", 0},
    {"  one right after the other", "process_respawn_in_a_row/tandem", "process_respawn/fork", 0},
};

struct lateness_target {
    const char* counter;
    double milliseconds;
};
constexpr double respawn_target = 2; // milliseconds
constexpr lateness_target lateness_targets[] = {{"p50_ms", 5}, {"p99_ms", 20}};

double median(std::vector<double> v)
{
    const std::size_t half = v.size() / 2;
    std::sort(v.begin(), v.end());
    return v.size() % 2 ? v[half] : (v[half - 1] + v[half]) / 2;
}

double least(const std::vector<double>& v) { return *std::min_element(v.begin(), v.end()); }

} // namespace

bool reporter::ReportContext(const Context&)
{
#if defined(__clang__)
    const char* const compiler = "Clang " __clang_version__;
#else
    const char* const compiler = "GCC " __VERSION__;
#endif
    fmt::print("{} threads, {}, Asio {}.{}.{}; everything takes a minute or two\n", tandem::default_thread_count(), compiler,
        ASIO_VERSION / 100000, ASIO_VERSION / 100 % 1000, ASIO_VERSION % 100);
    std::fflush(stdout);
    return true;
}

void reporter::ReportRuns(const std::vector<Run>& runs)
{
    // Nothing is printed yet: in random order all end at about the same time, at the end.
    for (const Run& r : runs) {
        if (r.run_type != Run::RT_Iteration)
            continue;
        const std::string& name = r.run_name.function_name;
        if (r.error_occurred) {
            fmt::print("{:<36} {}\n", name, r.error_message);
            failed_ = true;
            return;
        }
        result& into = results_[name];
        double operations = static_cast<double>(r.iterations);
        for (const auto& [key, counter] : r.counters)
            if (key == "operations")
                operations *= counter.value;
            else
                into.counters[key] = counter.value;
        into.wall.push_back(1e9 * r.real_accumulated_time / operations);
        into.cpu.push_back(1e9 * r.cpu_accumulated_time / operations);
    }
}

void reporter::Finalize()
{
    if (results_.empty())
        return;
    print_times();
    print_ratios();
    print_lateness();
    print_respawn();
}

void reporter::print_times() const
{
    fmt::print("\n{:<36} {:>11} {:>11} {:>11}\n", "Nanoseconds per operation", "median", "best", "CPU");
    for (const auto& [name, r] : results_) {
        fmt::print("{:<36} {:>11.1f} {:>11.1f} {:>11.1f}", name, median(r.wall), least(r.wall), median(r.cpu));
        for (const auto& [key, value] : r.counters)
            fmt::print("  {} {:.4g}", key, value);
        fmt::print("\n");
    }
}

void reporter::print_ratios() const
{
    bool first = true;
    for (const comparison& c : comparisons) {
        const auto ours = results_.find(c.ours);
        const auto other = results_.find(c.other);
        if (ours == results_.end() || other == results_.end())
            continue;
        if (std::exchange(first, false))
            fmt::print(
                "\n{:<36} {:>11} {:>11} {:>11} {:>8}\n", "Tandem's time as a share of theirs", "median", "best", "CPU", "target");
        // The best of either is what a machine that others use too says most truly.
        const double best = least(ours->second.wall) / least(other->second.wall);
        fmt::print("{:<36} {:>11.2f} {:>11.2f} {:>11.2f}", c.what, median(ours->second.wall) / median(other->second.wall), best,
            median(ours->second.cpu) / median(other->second.cpu));
        if (c.target > 0)
            fmt::print(" {:>8.2f}  {}", c.target, best <= c.target ? "met" : "missed");
        fmt::print("\n");
    }
}

void reporter::print_lateness() const
{
    const auto ours = results_.find("timer_in_flood/tandem");
    if (ours == results_.end())
        return;
    fmt::print("\n");
    for (const auto& [counter, target] : lateness_targets) {
        const double late = ours->second.counters.at(counter);
        fmt::print("a 1 ms timer among 100k tasks of 100 us is late by {:.2f} ms ({}), target {:.0f} ms: {}", late,
            std::string_view(counter).substr(0, 3), target, late <= target ? "met" : "missed");
        if (const auto asio = results_.find("timer_in_flood/asio"); asio != results_.end())
            fmt::print("; with Asio alone {:.1f} ms", asio->second.counters.at(counter));
        fmt::print("\n");
    }
}

void reporter::print_respawn() const
{
    const auto ours = results_.find("process_respawn/tandem");
    if (ours == results_.end())
        return;
    const double p50 = ours->second.counters.at("p50_ms");
    fmt::print("\na worker's death is followed by the next one's first answer after {:.2f} ms (p50), target {:.0f} ms: {}\n", p50,
        respawn_target, p50 <= respawn_target ? "met" : "missed");
}

} // namespace bench
