// Four tasks of one second, three ways: one by one, all at once with apply_async, and all at once with map.
// --seconds N makes the tasks shorter or longer.

#include "command_line.hpp"

#include <tandem/pool/thread_pool.hpp>

#include <fmt/ranges.h>

#include <chrono>
#include <thread>
#include <vector>

using seconds = std::chrono::duration<double>;

template <class F>
void measure(const char* name, F f)
{
    const auto start = std::chrono::steady_clock::now();
    const std::vector<int> squares = f();
    fmt::print("{:<12} {:.2f} s  {}\n", name, seconds(std::chrono::steady_clock::now() - start).count(), squares);
}

int main(int argc, char** argv)
{
    double length = 1;
    read_command_line(argc, argv, option("--seconds", length, 0, 60));

    const auto square = [length](int n) {
        std::this_thread::sleep_for(seconds(length)); // in place of work
        return n * n;
    };

    const std::vector<int> numbers{0, 1, 2, 3};
    tandem::thread_pool pool{4};

    measure("apply", [&] {
        std::vector<int> squares;
        for (int n : numbers)
            squares.push_back(pool.apply(square, n)); // waits for each
        return squares;
    });
    measure("apply_async", [&] {
        std::vector<tandem::async_result<int>> handles;
        for (int n : numbers)
            handles.push_back(pool.apply_async(square, tandem::args(n))); // starts each
        std::vector<int> squares;
        for (auto& handle : handles)
            squares.push_back(handle.get());
        return squares;
    });
    measure("map", [&] { return pool.map(square, numbers); });
}
