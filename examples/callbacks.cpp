// Callbacks: what to do with a result when it comes, without waiting for it.
// A closure gives the callback whatever else it needs; a result that is a tuple is unpacked there; a second callback takes the error.

#include "command_line.hpp"

#include <tandem/pool/thread_pool.hpp>

#include <fmt/ranges.h>

#include <exception>
#include <stdexcept>
#include <tuple>
#include <vector>

int square(int n) { return n * n; }

std::tuple<int, int> divide(int a, int b)
{
    if (b == 0)
        throw std::domain_error("division by zero");
    return {a / b, a % b};
}

int main(int argc, char** argv)
{
    read_command_line(argc, argv);
    tandem::thread_pool pool{4};

    // Callbacks run in the pool, several at once; each has its own place here, so no lock is needed.
    std::vector<int> squares(10);
    for (int i = 0; i < 10; ++i)
        pool.apply_async(square, tandem::args(i), [&squares, i](int result) { squares[i] = result; });

    std::string quotient;
    pool.apply_async(divide, tandem::args(17, 5), [&quotient](std::tuple<int, int> result) {
        const auto [q, rest] = result;
        quotient = fmt::format("17 / 5 is {}, and {} over", q, rest);
    });

    std::string error;
    pool.apply_async(
        divide, tandem::args(1, 0), [](std::tuple<int, int>) { fmt::print("never called\n"); },
        [&error](std::exception_ptr e) {
            try {
                std::rethrow_exception(e);
            }
            catch (const std::domain_error& what) {
                error = fmt::format("1 / 0: {}", what.what());
            }
        });

    pool.close();
    pool.join(); // every call and callback has ended
    fmt::print("{}\n{}\n{}\n", squares, quotient, error);
}
