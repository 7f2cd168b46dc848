// Fork-join trees on every kind of place to run: checked answers, and leaves that sleep or throw.
#include "support/threads.hpp"

#include <tandem/combine/when_all.hpp>
#include <tandem/io/co_spawn.hpp>
#include <tandem/io/sleep.hpp>
#include <tandem/tandem.hpp>

#include <asio/io_context.hpp>
#include <asio/strand.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace tandem;
using namespace tandem::test;
using namespace std::chrono_literals;

namespace {

task<int> fib(int n)
{
    if (n < 2)
        co_return n;
    auto [a, b] = co_await when_all(fib(n - 1), fib(n - 2));
    co_return a + b;
}

task<long> skynet(long first, long size)
{
    if (size == 1)
        co_return first;
    std::vector<task<long>> parts;
    for (long i = 0; i < 10; ++i)
        parts.push_back(skynet(first + i * size / 10, size / 10));
    long sum = 0;
    for (long s : co_await when_all(std::move(parts)))
        sum += s;
    co_return sum;
}

/// A tree whose leaves now and then sleep, or throw; gives the number of leaves.
task<int> uneven_tree(int depth, unsigned seed, std::atomic<int>& alive)
{
    struct counted {
        explicit counted(std::atomic<int>& a) : n(a) { ++n; }
        ~counted() { --n; }
        std::atomic<int>& n;
    };
    const counted c(alive);
    jitter random(seed);
    if (depth == 0) {
        if (random.below(8) == 0)
            co_await sleep_for(std::chrono::microseconds(random.below(300)));
        if (random.below(200) == 0)
            throw std::runtime_error("leaf");
        co_return 1;
    }
    auto three = when_all(uneven_tree(depth - 1, random.below(1u << 30), alive),
        uneven_tree(depth - 1, random.below(1u << 30), alive), uneven_tree(depth - 1, random.below(1u << 30), alive));
    auto [a, b, c3] = co_await std::move(three);
    co_return a + b + c3;
}

// Runs `n` uneven trees through `wait(tree)`, which gives their leaves or throws.
template <class Wait>
void uneven_trees(int n, Wait wait)
{
    std::atomic<int> alive{0};
    int whole = 0;
    int broken = 0;
    for (unsigned i = 0; i < static_cast<unsigned>(n); ++i) {
        try {
            const int leaves = wait(uneven_tree(4, i, alive));
            CHECK(leaves == 81);
            ++whole;
        }
        catch (const std::runtime_error& e) {
            CHECK(std::string(e.what()) == "leaf");
            ++broken;
        }
        CHECK(alive == 0); // every coroutine has ended
    }
    CHECK(whole + broken == n);
    CHECK(whole > 0);
    CHECK(broken > 0);
}

} // namespace

TEST_CASE("fork-join trees on one, two and eight threads")
{
    for (const std::size_t threads : {1u, 2u, 8u}) {
        CAPTURE(threads);
        thread_pool pool{threads};
        CHECK(sync_wait(pool, fib(scaled(22, 17, 16))) == scaled(17711, 1597, 987));
        const long leaves = scaled(100'000, 10'000, 1'000);
        CHECK(sync_wait(pool, skynet(0, leaves)) == leaves * (leaves - 1) / 2);
    }
}

TEST_CASE("several trees at once, from several threads")
{
    thread_pool pool{4};
    std::atomic<int> right{0};
    on_each_of(3, [&](int) {
        for (int i = 0; i < 10; ++i)
            right += sync_wait(pool, fib(12)) == 144;
    });
    CHECK(right == 30);
}

TEST_CASE("trees whose leaves sleep and throw: every coroutine ends, and the first error comes out")
{
    const int n = scaled(150, 60, 30);
    for (const std::size_t threads : {1u, 2u, 8u}) {
        CAPTURE(threads);
        thread_pool pool{threads};
        uneven_trees(n, [&](task<int> t) { return sync_wait(pool, std::move(t)); });
    }
    uneven_trees(n, [](task<int> t) { return sync_wait(std::move(t)); });
    for (const int threads : {1, 3}) {
        CAPTURE(threads);
        uneven_trees(n / 2, [&](task<int> t) {
            asio::io_context io;
            auto r = co_spawn(io, std::move(t));
            on_each_of(threads, [&](int) { io.run(); });
            return r.get();
        });
    }
    thread_pool pool{4};
    uneven_trees(n / 2, [&](task<int> t) { return co_spawn(asio::make_strand(pool.get_executor()), std::move(t)).get(); });
}

TEST_CASE("several uneven trees at once, some of them cancelled")
{
    std::atomic<int> alive{0};
    {
        thread_pool pool{8};
        int whole = 0;
        int broken = 0;
        int cancelled = 0;
        jitter random(5);
        for (unsigned i = 0; i < static_cast<unsigned>(scaled(50, 20, 10)); ++i) {
            std::vector<async_result<int>> trees;
            for (unsigned k = 0; k < 6; ++k)
                trees.push_back(co_spawn(pool, uneven_tree(4, 100 * i + k, alive)));
            random.spin(200'000);
            trees[i % 6].cancel();
            for (auto& t : trees)
                try {
                    CHECK(t.get() == 81);
                    ++whole;
                }
                catch (const operation_cancelled&) {
                    ++cancelled;
                }
                catch (const std::runtime_error& e) {
                    CHECK(std::string(e.what()) == "leaf");
                    ++broken;
                }
        }
        CHECK(whole + broken + cancelled == 6 * scaled(50, 20, 10));
    }
    CHECK(alive == 0);
}

TEST_CASE("trees on an io_context, run by one thread and by several")
{
    for (const int threads : {1, 4}) {
        asio::io_context io;
        auto r = co_spawn(io, fib(12));
        on_each_of(threads, [&](int) { io.run(); });
        CHECK(r.get() == 144);
    }
}

TEST_CASE("a long tree on one thread lets a timer in between")
{
    thread_pool pool{1};
    std::atomic<bool> stop{false};
    const auto busy = [](std::atomic<bool>& s) -> task<void> {
        while (!s.load())
            co_await fib(8);
    };
    const auto timer = [](std::atomic<bool>& s) -> task<void> {
        co_await sleep_for(1ms);
        s = true;
    };
    auto both = when_all(timer(stop), busy(stop));
    sync_wait(pool, std::move(both)); // or else for ever
    CHECK(stop);
}
