// channel [THREADS]: ten million numbers from producers to consumers, half as many of each as there are threads.

#include "suite.hpp"

#include <tandem/combine/when_all.hpp>
#include <tandem/pool/co_spawn.hpp>
#include <tandem/sync/channel.hpp>

#include <algorithm>
#include <utility>
#include <vector>

namespace {

constexpr std::size_t elements = 10'000'000;

struct tally {
    std::size_t count = 0;
    std::size_t sum = 0;
};

tandem::task<> produce(tandem::channel<std::size_t>& c, std::size_t first, std::size_t last)
{
    for (std::size_t k = first; k < last; ++k)
        co_await c.send(k);
}

tandem::task<tally> consume(tandem::channel<std::size_t>& c)
{
    tally t;
    while (const auto value = co_await c.receive()) {
        ++t.count;
        t.sum += *value;
    }
    co_return t;
}

tandem::task<> produce_all(tandem::channel<std::size_t>& c, std::size_t producers)
{
    std::vector<tandem::task<>> tasks;
    for (std::size_t k = 0; k < producers; ++k)
        tasks.push_back(produce(c, elements * k / producers, elements * (k + 1) / producers));
    co_await tandem::when_all(std::move(tasks));
    c.close();
}

tandem::task<std::vector<tally>> consume_all(tandem::channel<std::size_t>& c, std::size_t consumers)
{
    std::vector<tandem::task<tally>> tasks;
    for (std::size_t k = 0; k < consumers; ++k)
        tasks.push_back(consume(c));
    co_return co_await tandem::when_all(std::move(tasks));
}

long long run(tandem::thread_pool& pool, std::size_t parties)
{
    auto c = tandem::channel<std::size_t>::unbounded();
    tally all;
    const auto us = suite::timed([&] {
        auto [none, tallies] = tandem::sync_wait(pool, tandem::when_all(produce_all(c, parties), consume_all(c, parties)));
        for (const tally& t : tallies) {
            all.count += t.count;
            all.sum += t.sum;
        }
    });
    suite::expect(all.count, elements, "the number of elements");
    suite::expect(all.sum, elements * (elements - 1) / 2, "their sum");
    return us;
}

} // namespace

int main(int argc, char** argv)
{
    const std::size_t threads = suite::threads(argc, argv, 1);
    const std::size_t parties = argc > 1 ? std::max<std::size_t>(threads / 2, 1) : 4;
    std::printf("producers: %zu\nconsumers: %zu\n", parties, parties);
    tandem::thread_pool pool(threads);
    run(pool, parties); // warm-up
    const auto us = run(pool, parties);
    suite::report("elements", elements, us);
}
