// Under much I/O some threads of a pool stay out of Asio (sched/detail/followers.hpp). Nothing may wait for good because of that.
#include "loopback.hpp"
#include "support/threads.hpp"

#include <tandem/io/co_spawn.hpp>
#include <tandem/io/use_task.hpp>
#include <tandem/pool/thread_pool.hpp>
#include <tandem/sync/sleep.hpp>

#include <asio/buffer.hpp>
#include <asio/post.hpp>
#include <asio/read.hpp>
#include <asio/write.hpp>

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

using namespace tandem;
using namespace tandem::test;
using namespace std::chrono_literals;

namespace {

task<> echo(tcp::socket s)
{
    std::array<char, 16> data{};
    for (;;) {
        const std::size_t n = co_await s.async_read_some(asio::buffer(data), use_task);
        co_await asio::async_write(s, asio::buffer(data, n), use_task);
    }
}

task<> ask(tcp::socket s, std::atomic<int>& rounds)
{
    std::array<char, 16> data{};
    for (;;) {
        co_await asio::async_write(s, asio::buffer(data), use_task);
        co_await asio::async_read(s, asio::buffer(data), use_task);
        rounds.fetch_add(1, std::memory_order_relaxed);
    }
}

/// Handlers without end, on all threads of a pool; until this goes.
class traffic {
public:
    explicit traffic(thread_pool& pool, int connections = 8)
    {
        for (int k = 0; k < connections; ++k) {
            auto [client, server] = connected_pair(pool.context().get_executor());
            ends_.push_back(co_spawn(pool, echo(std::move(server))));
            ends_.push_back(co_spawn(pool, ask(std::move(client), rounds_)));
        }
    }
    ~traffic()
    {
        for (auto& e : ends_)
            e.cancel();
        for (auto& e : ends_)
            CHECK_THROWS_AS(e.get(), std::system_error); // cancelled, or the other end was before it
    }
    traffic(const traffic&) = delete;
    traffic& operator=(const traffic&) = delete;

    [[nodiscard]] int rounds() const noexcept { return rounds_.load(std::memory_order_relaxed); }
    /// Long enough that threads have begun to follow; false when it stands still.
    [[nodiscard]] bool flows(int rounds = scaled(300, 150, 80))
    {
        const int before = this->rounds();
        return eventually([&] { return this->rounds() - before >= rounds; });
    }

private:
    std::atomic<int> rounds_{0};
    std::vector<async_result<void>> ends_;
};

} // namespace

TEST_CASE("a step that waits for another task's I/O without saying so does not wait for ever")
{
    thread_pool pool{2};
    traffic t(pool);
    for (int k = 0; k < scaled(20, 10, 5); ++k) {
        REQUIRE(t.flows());
        std::atomic<bool> there{false};
        auto waits = co_spawn(pool, [](std::atomic<bool>& flag) -> task<> {
            co_await sleep_for(1us); // so that it goes on in a handler
            while (!flag.load())
                std::this_thread::yield();
        }(there));
        auto comes = co_spawn(pool, [](std::atomic<bool>& flag) -> task<> {
            co_await sleep_for(1ms);
            flag.store(true);
        }(there));
        comes.get();
        waits.get();
    }
}

TEST_CASE("nor does a plain handler of Asio's")
{
    std::atomic<int> came{0}; // of the second handlers
    std::atomic<int> done{0};
    thread_pool pool{2};
    traffic t(pool);
    for (int k = 1; k <= scaled(20, 10, 5); ++k) {
        REQUIRE(t.flows());
        asio::post(pool.context(), [&, k] {
            static_cast<void>(eventually([&] { return came.load() >= k; }));
            ++done;
        });
        asio::post(pool.context(), [&] { ++came; });
        REQUIRE(eventually([&] { return done.load() == k; }));
    }
    CHECK(came.load() == done.load());
}

TEST_CASE("work from outside finds a thread at once")
{
    thread_pool pool{3};
    traffic t(pool);
    for (int k = 0; k < scaled(200, 100, 50); ++k) {
        REQUIRE(pool.apply([](int n) { return n * n; }, args(k)) == k * k);
        if (k % 10 == 0)
            REQUIRE(t.flows(50));
    }
    std::vector<int> items(1000, 3);
    for (const int r : pool.map([](int n) { return n + 1; }, items))
        REQUIRE(r == 4);
}

TEST_CASE("blocking in a task brings back a thread that serves")
{
    thread_pool pool{2};
    traffic t(pool);
    REQUIRE(t.flows());
    auto blocked = pool.apply_async([&] {
        // This thread is away, and the I/O below goes on.
        return pool.apply_async([&t] { return t.flows(); }).get();
    });
    CHECK(blocked.get());
}

TEST_CASE("a pool ends in the middle of it")
{
    for (int k = 0; k < scaled(100, 30, 20); ++k) {
        thread_pool pool{3};
        auto [client, server] = connected_pair(pool.context().get_executor());
        std::atomic<int> rounds{0};
        auto answers = co_spawn(pool, echo(std::move(server)));
        auto asks = co_spawn(pool, ask(std::move(client), rounds));
        CHECK(eventually([&] { return rounds.load() > 20 + k; }));
        pool.terminate();
        CHECK_THROWS_AS(answers.get(), std::system_error);
        CHECK_THROWS_AS(asks.get(), std::system_error);
    }
}

TEST_CASE("after it the pool is idle")
{
    std::atomic<int> waiting{0};
    thread_pool pool{4};
    {
        traffic t(pool, 4);
        REQUIRE(t.flows());
    }
    // Nobody follows any more: each of the threads takes one of these.
    for (int k = 0; k < 4; ++k)
        asio::post(pool.context(), [&] {
            ++waiting;
            static_cast<void>(eventually([&] { return waiting.load() == 4; }));
        });
    CHECK(eventually([&] { return waiting.load() == 4; }));
}
