// Fork and join: of nothing but forks, and of two tasks of some microseconds.

#include "support.hpp"

#include <tandem/combine/when_all.hpp>
#include <tandem/pool/co_spawn.hpp>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/use_future.hpp>

#if defined(TANDEM_HAVE_TBB)
#include <tbb/parallel_invoke.h>
#endif

#include <chrono>

namespace {

using bench::tandem_pool;

// --- Fibonacci numbers -------------------------------------------------------------------------

constexpr long fib_value[] = {0, 1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377, 610, 987, 1597, 2584, 4181, 6765, 10946,
    17711, 28657, 46368, 75025, 121393, 196418, 317811, 514229, 832040};
constexpr std::size_t calls_of_fib(int n) { return static_cast<std::size_t>(2 * fib_value[n + 1] - 1); }

tandem::task<long> tandem_fib(int n)
{
    if (n < 2)
        co_return n;
    const auto [a, b] = co_await tandem::when_all(tandem_fib(n - 1), tandem_fib(n - 2));
    co_return a + b;
}

void fib_tandem(benchmark::State& state)
{
    constexpr int n = 27;
    for (auto _ : state)
        bench::expect(tandem::sync_wait(tandem_pool(), tandem_fib(n)) == fib_value[n], "fib: wrong number");
    bench::operations(state, calls_of_fib(n));
}
BENCH(fib_tandem, "fork_join_fib/tandem", 10);

// Asio's && starts its operands with co_spawn. On one thread: it is no faster on two, and must not be cancelled there (docs say why).
asio::awaitable<long> asio_fib(int n)
{
    using namespace asio::experimental::awaitable_operators;
    if (n < 2)
        co_return n;
    const auto [a, b] = co_await (asio_fib(n - 1) && asio_fib(n - 2));
    co_return a + b;
}

void fib_asio(benchmark::State& state)
{
    constexpr int n = 16;
    static asio::thread_pool one(1);
    for (auto _ : state)
        bench::expect(asio::co_spawn(one, asio_fib(n), asio::use_future).get() == fib_value[n], "fib: wrong number");
    bench::operations(state, calls_of_fib(n));
}
BENCH(fib_asio, "fork_join_fib/asio", 5);

TANDEM_NOINLINE long plain_fib(int n) { return n < 2 ? n : plain_fib(n - 1) + plain_fib(n - 2); }

void fib_calls(benchmark::State& state)
{
    for (auto _ : state) {
        int n = 30;
        benchmark::DoNotOptimize(n);
        bench::expect(plain_fib(n) == fib_value[30], "fib: wrong number");
    }
    bench::operations(state, calls_of_fib(29));
}
BENCH(fib_calls, "fork_join_fib/plain_calls", 5);

#if defined(TANDEM_HAVE_TBB)
long tbb_fib(int n)
{
    if (n < 2)
        return n;
    long a = 0;
    long b = 0;
    tbb::parallel_invoke([&] { a = tbb_fib(n - 1); }, [&] { b = tbb_fib(n - 2); });
    return a + b;
}

void fib_tbb(benchmark::State& state)
{
    constexpr int n = 24;
    for (auto _ : state)
        bench::expect(tbb_fib(n) == fib_value[n], "fib: wrong number");
    bench::operations(state, calls_of_fib(n));
}
BENCH(fib_tbb, "fork_join_fib/tbb", 10);
#endif

// --- two tasks of five microseconds ------------------------------------------------------------

void busy_for_five_us()
{
    using clock = std::chrono::steady_clock;
    const auto until = clock::now() + std::chrono::microseconds(5);
    while (clock::now() < until) {}
}

constexpr std::size_t pairs = 2000;

tandem::task<> tandem_busy()
{
    busy_for_five_us();
    co_return;
}
tandem::task<> tandem_pairs()
{
    for (std::size_t k = 0; k < pairs; ++k)
        co_await tandem::when_all(tandem_busy(), tandem_busy());
}

void pair_tandem(benchmark::State& state)
{
    for (auto _ : state)
        tandem::sync_wait(tandem_pool(), tandem_pairs());
    bench::operations(state, pairs);
}
BENCH(pair_tandem, "fork_join_5us/tandem", 5);

void pair_loop(benchmark::State& state)
{
    for (auto _ : state)
        for (std::size_t k = 0; k < 2 * pairs; ++k)
            busy_for_five_us();
    bench::operations(state, pairs);
}
BENCH(pair_loop, "fork_join_5us/one_by_one", 5);

#if defined(TANDEM_HAVE_TBB)
void pair_tbb(benchmark::State& state)
{
    for (auto _ : state)
        for (std::size_t k = 0; k < pairs; ++k)
            tbb::parallel_invoke(busy_for_five_us, busy_for_five_us);
    bench::operations(state, pairs);
}
BENCH(pair_tbb, "fork_join_5us/tbb", 5);
#endif

} // namespace
