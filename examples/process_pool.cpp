// A pool of processes: Python's multiprocessing.Pool. Four calls one by one and four in parallel, a map, a callback, an error.
// --seconds N makes the calls shorter or longer.

#include "command_line.hpp"

#include <tandem/process/process_pool.hpp>

#include <fmt/ranges.h>

#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

#include <unistd.h>

using seconds = std::chrono::duration<double>;

// Runs in another process: what it needs comes as arguments, and what it gives goes back as a copy.
int slow_square(double length, int n)
{
    std::this_thread::sleep_for(seconds(length)); // in place of work
    return n * n;
}

int reciprocal(int n)
{
    if (n == 0)
        throw std::domain_error("zero has no reciprocal");
    return 1000 / n;
}

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

    // The first pool of a program starts the fork server, which must be done before there are threads.
    tandem::process_pool pool{4};
    const std::vector<int> numbers{0, 1, 2, 3};

    measure("apply", [&] {
        std::vector<int> squares;
        for (int n : numbers)
            squares.push_back(pool.apply(slow_square, length, n)); // waits for each
        return squares;
    });
    measure("apply_async", [&] {
        std::vector<tandem::async_result<int>> handles;
        for (int n : numbers)
            handles.push_back(pool.apply_async(slow_square, tandem::args(length, n))); // starts each
        std::vector<int> squares;
        for (auto& handle : handles)
            squares.push_back(handle.get());
        return squares;
    });
    measure("starmap", [&] {
        std::vector<std::pair<double, int>> calls;
        for (int n : numbers)
            calls.emplace_back(length, n);
        return pool.starmap(slow_square, calls);
    });

    // A lambda crosses too, if it captures nothing.
    fmt::print("map          {}\n", pool.map([](int n) { return n * n; }, numbers));

    // [callbacks_here]
    // Callbacks run here, in this process, and may capture what they like.
    std::vector<int> results;
    pool.apply_async(reciprocal, tandem::args(8), [&results](int r) { results.push_back(r); }).wait();
    // An exception comes back as it was thrown.
    try {
        pool.apply(reciprocal, 0);
    }
    catch (const std::domain_error& e) {
        fmt::print("callback     {}; error: {}\n", results, e.what());
    }
    // [/callbacks_here]
    fmt::print("another process: {}\n", pool.apply(::getpid) != ::getpid());

    pool.close();
    pool.join(); // leaving the scope would do the same
}
