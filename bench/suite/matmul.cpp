// matmul SIZE [THREADS]: multiplies two square matrices of ones, SIZE a power of two, by dividing each into four until they are 32 wide.

#include "problems.hpp"

#include <tandem/combine/when_all.hpp>
#include <tandem/pool/co_spawn.hpp>

namespace {

using suite::square;

tandem::task<> multiply(square a, square b, square c, std::size_t n)
{
    if (n <= suite::small) {
        suite::multiply_small(a, b, c, n);
        co_return;
    }
    const std::size_t h = n / 2;
    // Two rounds, in each of which every quarter of c is written by one task.
    for (const std::size_t k : {std::size_t{0}, h})
        co_await tandem::when_all(multiply(a.part(0, k), b.part(k, 0), c, h), multiply(a.part(0, k), b.part(k, h), c.part(0, h), h),
            multiply(a.part(h, k), b.part(k, 0), c.part(h, 0), h), multiply(a.part(h, k), b.part(k, h), c.part(h, h), h));
}

} // namespace

int main(int argc, char** argv)
{
    return suite::matmul_main(argc, argv, [](std::size_t threads) {
        return [pool = tandem::thread_pool(threads)](
                   square a, square b, square c, std::size_t n) mutable { tandem::sync_wait(pool, multiply(a, b, c, n)); };
    });
}
