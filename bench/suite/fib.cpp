// fib N [THREADS]: the recursive Fibonacci function, a task for every call. The cost of fork and join, and of nothing else.

#include "problems.hpp"

#include <tandem/combine/when_all.hpp>
#include <tandem/pool/co_spawn.hpp>

namespace {

tandem::task<std::size_t> fib(std::size_t n)
{
    if (n < 2)
        co_return n;
    auto [a, b] = co_await tandem::when_all(fib(n - 1), fib(n - 2));
    co_return a + b;
}

} // namespace

int main(int argc, char** argv)
{
    return suite::fib_main(argc, argv, [](std::size_t threads) {
        return [pool = tandem::thread_pool(threads)](std::size_t n) mutable { return tandem::sync_wait(pool, fib(n)); };
    });
}
