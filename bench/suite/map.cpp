// map ITEMS [THREADS]: a plain function of a tenth of a microsecond for each of the numbers from 1 to ITEMS, into a vector.

#include "problems.hpp"

#include <tandem/pool/thread_pool.hpp>

#include <ranges>

int main(int argc, char** argv)
{
    return suite::map_main(argc, argv, [](std::size_t threads) {
        // On a worker, since who calls from outside takes part: then there would be a thread more than was asked for.
        return [pool = tandem::thread_pool(threads)](std::size_t n) mutable {
            return pool.apply([&] { return pool.map(suite::steps_of, std::views::iota(std::size_t{1}, n + 1)); });
        };
    });
}
