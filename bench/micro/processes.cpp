// The process pool beside a bare socketpair, memcpy through shared memory, the thread pool and Python's Pool.

#include "support.hpp"

#include <tandem/process/process_pool.hpp>

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

namespace {

tandem::process_pool& pool()
{
    static tandem::process_pool p;
    return p;
}

int square(int n) { return static_cast<int>(static_cast<unsigned>(n) * static_cast<unsigned>(n)); }
std::vector<double> same(std::vector<double> v) { return v; }

// --- there and back ----------------------------------------------------------------------------

constexpr std::size_t calls = 10'000;

void process_round_trip_tandem(benchmark::State& state)
{
    for (auto _ : state)
        for (std::size_t k = 0; k < calls; ++k)
            bench::expect(pool().apply(square, 7) == 49, "7 squared");
    bench::operations(state, calls);
}
BENCH(process_round_trip_tandem, "process_round_trip/tandem", 1);

void round_trip_async(benchmark::State& state)
{
    for (auto _ : state)
        for (std::size_t k = 0; k < calls; ++k)
            bench::expect(pool().apply_async(square, tandem::args(7)).get() == 49, "7 squared");
    bench::operations(state, calls);
}
BENCH(round_trip_async, "process_round_trip/apply_async", 1);

/// A process that sends back what it gets.
class echo {
public:
    echo()
    {
        int ends[2];
        bench::expect(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, "a socketpair");
        ours = ends[0];
        if (::fork() == 0) { // it does nothing that a thread of ours could have locked
            char bytes[64];
            ::close(ends[0]);
            for (ssize_t n = 0; (n = ::read(ends[1], bytes, sizeof bytes)) > 0;)
                if (::write(ends[1], bytes, static_cast<std::size_t>(n)) != n)
                    break;
            ::_exit(0);
        }
        ::close(ends[1]);
    }
    int ours = -1;
};

void round_trip_socketpair(benchmark::State& state)
{
    static const echo other;
    char bytes[64] = {};
    for (auto _ : state)
        for (std::size_t k = 0; k < calls; ++k)
            bench::expect(
                ::write(other.ours, bytes, sizeof bytes) == sizeof bytes && ::read(other.ours, bytes, sizeof bytes) == sizeof bytes,
                "64 bytes back");
    bench::operations(state, calls);
}
BENCH(round_trip_socketpair, "process_round_trip/socketpair", 1);

// --- Python's ------------------------------------------------------------------------------------

/// What a line of Python, run with a multiprocessing.Pool `p` of our size, takes; in seconds. 0 without Python.
double python_seconds(const char* statement, int times)
{
    const std::string command = "python3 -c 'import multiprocessing as m, time\ndef sq(n): return n * n\nwith m.Pool(" +
                                std::to_string(tandem::default_thread_count()) +
                                ") as p:\n  p.map(sq, range(100))\n  t = time.perf_counter()\n  for _ in range(" +
                                std::to_string(times) + "): " + statement + "\n  print(time.perf_counter() - t)' 2>/dev/null";
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> out(::popen(command.c_str(), "r"), &::pclose);
    double seconds = 0;
    if (!out || std::fscanf(out.get(), "%lf", &seconds) != 1)
        return 0;
    return seconds;
}

void python(benchmark::State& state, const char* statement, int times, std::size_t operations)
{
    for (auto _ : state)
        if (const double seconds = python_seconds(statement, times); seconds > 0)
            state.SetIterationTime(seconds);
        else
            state.SkipWithError("there is no python3");
    bench::operations(state, operations);
}
void by_hand(benchmark::internal::Benchmark* b) { b->Iterations(1)->UseManualTime(); }

void round_trip_python(benchmark::State& state) { python(state, "p.apply(sq, (7,))", 2000, 2000); }
void map_python(benchmark::State& state) { python(state, "p.map(sq, range(100000))", 10, 1'000'000); }
/// Where there is a python3.
const bool with_python = [] {
    if (std::system("command -v python3 >/dev/null 2>&1") != 0)
        return false;
    benchmark::RegisterBenchmark("process_round_trip/python", &round_trip_python)->Apply(by_hand);
    benchmark::RegisterBenchmark("process_map_100k/python", &map_python)->Apply(by_hand);
    return true;
}();

// --- many small calls ----------------------------------------------------------------------------

constexpr std::size_t many_calls = 100'000;

void map_tandem(benchmark::State& state)
{
    std::vector<int> items(many_calls);
    std::iota(items.begin(), items.end(), 0);
    for (auto _ : state)
        bench::expect(pool().map(square, items).size() == many_calls, "as many results");
    bench::operations(state, many_calls);
}
BENCH(map_tandem, "process_map_100k/tandem", 20);

// --- large values --------------------------------------------------------------------------------

constexpr std::size_t doubles = 8 << 20; // 64 MiB

void large_tandem(benchmark::State& state)
{
    const std::vector<double> v(doubles, 1.5);
    for (auto _ : state)
        bench::expect(pool().apply(same, v).back() == 1.5, "the last one");
    bench::operations(state, 1);
}
BENCH(large_tandem, "process_64_mib/tandem", 2);

/// The copies that it takes: into shared memory, out, in again, and out, each time to memory that is made for it.
void large_memcpy(benchmark::State& state)
{
    constexpr std::size_t size = doubles * sizeof(double);
    const std::vector<double> v(doubles, 1.5);
    const auto there = [](const std::vector<double>& from) {
        void* const shared = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        std::memcpy(shared, from.data(), size);
        const auto* const p = static_cast<const double*>(shared);
        std::vector<double> to(p, p + doubles);
        ::munmap(shared, size);
        return to;
    };
    for (auto _ : state)
        bench::expect(there(there(v)).back() == 1.5, "the last one");
    bench::operations(state, 1);
}
BENCH(large_memcpy, "process_64_mib/memcpy", 2);

// --- work that computes ----------------------------------------------------------------------------

std::uint64_t compute(std::uint64_t n)
{
    for (int k = 0; k < 200'000; ++k)
        n = n * 6364136223846793005u + 1442695040888963407u;
    return n;
}

template <class Pool>
void cpu_bound(benchmark::State& state, Pool& p)
{
    const std::vector<std::uint64_t> items(400, 1);
    for (auto _ : state)
        bench::expect(p.map(compute, items).back() == compute(1), "the last one");
    bench::operations(state, items.size());
}
void cpu_processes(benchmark::State& state) { cpu_bound(state, pool()); }
void cpu_threads(benchmark::State& state) { cpu_bound(state, bench::tandem_pool()); }
BENCH(cpu_processes, "process_cpu_bound/tandem", 2);
BENCH(cpu_threads, "process_cpu_bound/threads", 2);

// --- a new worker for one that died ----------------------------------------------------------------

constexpr int deaths = 100;

// `between` two deaths: the server needs some time to make the next spare worker.
void respawns(benchmark::State& state, std::chrono::milliseconds between)
{
    using clock = std::chrono::steady_clock;
    tandem::process_pool one{1};
    std::vector<double> milliseconds;
    for (auto _ : state)
        for (int k = 0; k < deaths; ++k) {
            if (between.count() > 0) {
                state.PauseTiming();
                std::this_thread::sleep_for(between);
                state.ResumeTiming();
            }
            const clock::time_point before = clock::now();
            try {
                one.apply([] { ::_exit(0); });
            }
            catch (const tandem::worker_died&) {
            }
            bench::expect(one.apply(square, 2) == 4, "the new one works"); // the time is until then
            milliseconds.push_back(std::chrono::duration<double, std::milli>(clock::now() - before).count());
        }
    bench::operations(state, deaths);
    state.counters["p50_ms"] = bench::percentile(milliseconds, 0.5);
}
void respawn(benchmark::State& state) { respawns(state, std::chrono::milliseconds(20)); }
BENCH(respawn, "process_respawn/tandem", 1);
void respawn_in_a_row(benchmark::State& state) { respawns(state, std::chrono::milliseconds(0)); }
BENCH(respawn_in_a_row, "process_respawn_in_a_row/tandem", 1);

/// What the system takes at least: the fork of a process as small as the fork server, which ends at once, and is reaped.
int fork_and_reap(int times)
{
    for (int k = 0; k < times; ++k) {
        const pid_t child = ::fork();
        if (child == 0)
            ::_exit(0);
        ::waitpid(child, nullptr, 0);
    }
    return times;
}
void respawn_fork(benchmark::State& state)
{
    for (auto _ : state)
        bench::expect(pool().apply(fork_and_reap, deaths) == deaths, "as many");
    bench::operations(state, deaths);
}
BENCH(respawn_fork, "process_respawn/fork", 1);

} // namespace
