// Waits between tasks: a mutex that nobody wants, and a channel that many use, beside Asio's.

#include "support.hpp"

#include <tandem/pool/co_spawn.hpp>
#include <tandem/sync/channel.hpp>
#include <tandem/sync/mutex.hpp>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/experimental/channel.hpp>
#include <asio/experimental/concurrent_channel.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/use_future.hpp>

#include <future>
#include <mutex>

namespace {

using bench::asio_pool;
using bench::tandem_pool;

// --- lock and unlock, alone --------------------------------------------------------------------

constexpr std::size_t locks = 1'000'000;

tandem::task<std::size_t> tandem_locks(tandem::mutex& m)
{
    std::size_t n = 0;
    for (std::size_t k = 0; k < locks; ++k) {
        const auto guard = co_await m.lock();
        ++n;
        benchmark::DoNotOptimize(n);
    }
    co_return n;
}

void mutex_tandem(benchmark::State& state)
{
    tandem::mutex m;
    for (auto _ : state)
        bench::expect(tandem::sync_wait(tandem_pool(), tandem_locks(m)) == locks, "mutex: wrong count");
    bench::operations(state, locks);
}
BENCH(mutex_tandem, "mutex_uncontended/tandem", 10);

void mutex_std(benchmark::State& state)
{
    std::mutex m;
    for (auto _ : state) {
        std::size_t n = 0;
        for (std::size_t k = 0; k < locks; ++k) {
            const std::lock_guard guard(m);
            ++n;
            benchmark::DoNotOptimize(n);
        }
    }
    bench::operations(state, locks);
}
BENCH(mutex_std, "mutex_uncontended/std", 10);

// --- four tasks send, four receive -------------------------------------------------------------

constexpr std::size_t parties = 4; // on each side
constexpr std::size_t expected_sum(std::size_t items) { return parties * (items / parties) * (items / parties - 1) / 2; }

constexpr std::size_t tandem_items = 10'000'000;

tandem::task<> tandem_sends(tandem::channel<std::size_t>& c)
{
    for (std::size_t k = 0; k < tandem_items / parties; ++k)
        co_await c.send(k);
}
tandem::task<std::size_t> tandem_receives(tandem::channel<std::size_t>& c)
{
    std::size_t sum = 0;
    while (const auto v = co_await c.receive())
        sum += *v;
    co_return sum;
}

void run_channel(benchmark::State& state, tandem::channel<std::size_t>& c)
{
    std::vector<tandem::async_result<void>> senders;
    std::vector<tandem::async_result<std::size_t>> receivers;
    for (std::size_t k = 0; k < parties; ++k) {
        receivers.push_back(tandem::co_spawn(tandem_pool(), tandem_receives(c)));
        senders.push_back(tandem::co_spawn(tandem_pool(), tandem_sends(c)));
    }
    for (auto& s : senders)
        s.get();
    c.close();
    std::size_t sum = 0;
    for (auto& r : receivers)
        sum += r.get();
    bench::expect(sum == expected_sum(tandem_items), "channel: wrong sum");
    bench::operations(state, tandem_items);
}

void channel_tandem(benchmark::State& state)
{
    for (auto _ : state) {
        tandem::channel<std::size_t> c{1024};
        run_channel(state, c);
    }
}
BENCH(channel_tandem, "channel_4_to_4/tandem", 1);

void unbounded_tandem(benchmark::State& state)
{
    for (auto _ : state) {
        auto c = tandem::channel<std::size_t>::unbounded();
        run_channel(state, c);
    }
}
BENCH(unbounded_tandem, "channel_4_to_4_unbounded/tandem", 1);

constexpr std::size_t asio_items = 400'000;

template <class Channel>
asio::awaitable<void> asio_sends(Channel& c)
{
    for (std::size_t k = 0; k < asio_items / parties; ++k)
        co_await c.async_send(asio::error_code(), k, asio::use_awaitable);
}
template <class Channel>
asio::awaitable<std::size_t> asio_receives(Channel& c)
{
    std::size_t sum = 0;
    for (std::size_t k = 0; k < asio_items / parties; ++k) // so that none needs to be told of the end
        sum += co_await c.async_receive(asio::use_awaitable);
    co_return sum;
}

template <class Channel>
void asio_channel(benchmark::State& state, asio::thread_pool& pool)
{
    for (auto _ : state) {
        Channel c(pool, 1024);
        std::vector<std::future<void>> senders;
        std::vector<std::future<std::size_t>> receivers;
        for (std::size_t k = 0; k < parties; ++k) {
            receivers.push_back(asio::co_spawn(pool, asio_receives(c), asio::use_future));
            senders.push_back(asio::co_spawn(pool, asio_sends(c), asio::use_future));
        }
        for (auto& s : senders)
            s.get();
        std::size_t sum = 0;
        for (auto& r : receivers)
            sum += r.get();
        bench::expect(sum == expected_sum(asio_items), "channel: wrong sum");
    }
    bench::operations(state, asio_items);
}

void channel_asio(benchmark::State& state)
{
    asio_channel<asio::experimental::concurrent_channel<void(asio::error_code, std::size_t)>>(state, asio_pool());
}
BENCH(channel_asio, "channel_4_to_4/asio", 1);

// The one that is not thread-safe, on one thread.
void channel_asio_one(benchmark::State& state)
{
    static asio::thread_pool one(1);
    asio_channel<asio::experimental::channel<void(asio::error_code, std::size_t)>>(state, one);
}
BENCH(channel_asio_one, "channel_4_to_4/asio_one_thread", 1);

// --- one task on either side, which wait for each other at every value -------------------------------

constexpr std::size_t swaps = 200'000;

tandem::task<> tandem_echoes(tandem::channel<std::size_t>& in, tandem::channel<std::size_t>& out)
{
    while (const auto v = co_await in.receive())
        co_await out.send(*v + 1);
}
tandem::task<std::size_t> tandem_asks(tandem::channel<std::size_t>& out, tandem::channel<std::size_t>& in)
{
    std::size_t last = 0;
    for (std::size_t k = 0; k < swaps; ++k) {
        co_await out.send(last);
        const auto v = co_await in.receive();
        last = v.value_or(0);
    }
    out.close();
    co_return last;
}

void ping_pong_tandem(benchmark::State& state)
{
    for (auto _ : state) {
        tandem::channel<std::size_t> there{0};
        tandem::channel<std::size_t> back{0};
        auto echo = tandem::co_spawn(tandem_pool(), tandem_echoes(there, back));
        bench::expect(tandem::sync_wait(tandem_pool(), tandem_asks(there, back)) == swaps, "ping-pong: wrong count");
        echo.get();
    }
    bench::operations(state, swaps);
}
BENCH(ping_pong_tandem, "channel_ping_pong/tandem", 1);

using asio_pipe = asio::experimental::concurrent_channel<void(asio::error_code, std::size_t)>;

asio::awaitable<void> asio_echoes(asio_pipe& in, asio_pipe& out)
{
    for (std::size_t k = 0; k < swaps; ++k) {
        const std::size_t v = co_await in.async_receive(asio::use_awaitable);
        co_await out.async_send(asio::error_code(), v + 1, asio::use_awaitable);
    }
}
asio::awaitable<std::size_t> asio_asks(asio_pipe& out, asio_pipe& in)
{
    std::size_t last = 0;
    for (std::size_t k = 0; k < swaps; ++k) {
        co_await out.async_send(asio::error_code(), last, asio::use_awaitable);
        last = co_await in.async_receive(asio::use_awaitable);
    }
    co_return last;
}

void ping_pong_asio(benchmark::State& state)
{
    for (auto _ : state) {
        asio_pipe there(asio_pool());
        asio_pipe back(asio_pool());
        auto echo = asio::co_spawn(asio_pool(), asio_echoes(there, back), asio::use_future);
        bench::expect(
            asio::co_spawn(asio_pool(), asio_asks(there, back), asio::use_future).get() == swaps, "ping-pong: wrong count");
        echo.get();
    }
    bench::operations(state, swaps);
}
BENCH(ping_pong_asio, "channel_ping_pong/asio", 1);

} // namespace
