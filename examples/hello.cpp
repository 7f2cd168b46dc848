// The smallest complete program, the one on top of README.md: a pool, and a map over it.

// [hello]
#include <tandem/tandem.hpp>

#include <fmt/ranges.h>

#include <ranges>

int main()
{
    tandem::thread_pool pool; // one thread per core
    const auto squares = pool.map([](int n) { return n * n; }, std::views::iota(0, 10));
    fmt::print("{}\n", squares);
}
// [/hello]
