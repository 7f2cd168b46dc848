// skynet [THREADS] [DEPTH]: a tree of tasks ten wide and 8 deep, 111 million in all, whose leaves are numbered and summed up.
// The problem is https://github.com/atemerev/skynet.

#include "problems.hpp"

#include <tandem/combine/when_all.hpp>
#include <tandem/pool/co_spawn.hpp>

namespace {

tandem::task<std::size_t> skynet(std::size_t first, std::size_t leaves)
{
    if (leaves == 1)
        co_return first;
    std::array<tandem::task<std::size_t>, 10> children;
    const std::size_t share = leaves / children.size();
    for (std::size_t k = 0; k < children.size(); ++k)
        children[k] = skynet(first + k * share, share);
    const auto sums = co_await tandem::when_all(std::span(children));
    co_return std::accumulate(sums.begin(), sums.end(), std::size_t{0});
}

} // namespace

int main(int argc, char** argv)
{
    return suite::skynet_main(argc, argv, [](std::size_t threads) {
        return [pool = tandem::thread_pool(threads)](
                   std::size_t leaves) mutable { return tandem::sync_wait(pool, skynet(0, leaves)); };
    });
}
