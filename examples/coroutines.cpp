// The jobs of sync_vs_async as coroutines, which keep no thread while they wait: one thread is enough for all.
// --seconds N makes them shorter or longer.

#include "command_line.hpp"

#include <tandem/io/sleep.hpp>
#include <tandem/tandem.hpp>

#include <fmt/ranges.h>

#include <chrono>
#include <vector>

double seconds = 1;

tandem::task<int> square(int n)
{
    co_await tandem::sleep_for(std::chrono::duration<double>(seconds)); // as asyncio.sleep
    co_return (n * n);
}

tandem::task<> all_ways(tandem::thread_pool& pool)
{
    auto three = tandem::co_spawn(pool, square(3)); // goes on beside us
    const auto [zero, one, two] = co_await tandem::when_all(square(0), square(1), square(2));
    const int nine = co_await three;
    fmt::print("[{}, {}, {}, {}]\n", zero, one, two, nine);

    const std::vector<int> numbers{0, 1, 2, 3};
    fmt::print("{}\n", co_await tandem::map(numbers, square));
}

int main(int argc, char** argv)
{
    read_command_line(argc, argv, option("--seconds", seconds, 0, 60));
    const auto start = std::chrono::steady_clock::now();
    tandem::run(all_ways, {.threads = 1});
    fmt::print("{:.2f} s\n", std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
}
