#include "workloads.hpp"

#include "server.hpp"

#include <tandem/io/executor.hpp>
#include <tandem/io/sleep.hpp>
#include <tandem/io/use_task.hpp>

#include <asio/buffer.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read.hpp>
#include <asio/write.hpp>

#include <fmt/core.h>

#include <array>
#include <thread>

namespace measure {

using asio::ip::tcp;
using tandem::task;
using tandem::use_task;

namespace {

tcp::endpoint server_of(const item& i) { return {asio::ip::address_v4::loopback(), i.port}; }

// --- timers ------------------------------------------------------------------------------------

std::uint64_t timer_blocking(item i)
{
    const auto start = std::chrono::steady_clock::now();
    std::this_thread::sleep_for(std::chrono::milliseconds(i.latency_ms));
    return std::chrono::steady_clock::now() - start >= std::chrono::milliseconds(i.latency_ms) ? i.number : 0;
}

task<std::uint64_t> timer_coroutine(item i)
{
    const auto start = std::chrono::steady_clock::now();
    co_await tandem::sleep_for(std::chrono::milliseconds(i.latency_ms));
    co_return std::chrono::steady_clock::now() - start >= std::chrono::milliseconds(i.latency_ms) ? i.number : 0;
}

// --- requests ----------------------------------------------------------------------------------

std::uint64_t request_blocking(item i)
{
    // A socket needs a context, though blocking calls make no use of it. One per thread, as making one takes a dozen system calls.
    thread_local asio::io_context context;
    tcp::socket socket(context);
    socket.connect(server_of(i));
    std::uint64_t number = i.number;
    asio::write(socket, asio::buffer(&number, sizeof number));
    asio::read(socket, asio::buffer(&number, sizeof number));
    return number;
}

task<std::uint64_t> request_coroutine(item i)
{
    tcp::socket socket(co_await tandem::this_task::executor());
    co_await socket.async_connect(server_of(i), use_task);
    std::uint64_t number = i.number;
    co_await asio::async_write(socket, asio::buffer(&number, sizeof number), use_task);
    co_await asio::async_read(socket, asio::buffer(&number, sizeof number), use_task);
    co_return number;
}

// --- primes ------------------------------------------------------------------------------------

bool is_prime(std::uint32_t n)
{
    if (n < 2 || (n % 2 == 0 && n != 2))
        return false;
    for (std::uint32_t d = 3; d <= n / d; d += 2)
        if (n % d == 0)
            return false;
    return true;
}

std::uint64_t primes_blocking(item i)
{
    std::uint64_t count = 0;
    for (std::uint32_t n = i.first; n < i.last; ++n)
        count += is_prime(n);
    return count;
}

task<std::uint64_t> primes_coroutine(item i) { co_return primes_blocking(i); }

/// The same count by the sieve of Eratosthenes.
std::uint64_t primes_by_sieve(std::uint32_t first, std::uint32_t last)
{
    std::vector<bool> composite(last - first);
    for (std::uint32_t d = 2; d <= last / d; ++d) // every divisor, not just the primes: the range is small
        for (std::uint32_t m = std::max(d, (first + d - 1) / d) * d; m < last; m += d)
            composite[m - first] = true;
    std::uint64_t count = 0;
    for (std::uint32_t n = std::max(first, 2u); n < last; ++n)
        count += !composite[n - first];
    return count;
}

// --- the service case --------------------------------------------------------------------------

std::uint64_t service_blocking(item i) { return request_blocking(i) + primes_blocking(i); }

task<std::uint64_t> service_coroutine(item i)
{
    const std::uint64_t answer = co_await request_coroutine(i);
    co_return answer + primes_blocking(i);
}

} // namespace

std::vector<workload> make_workloads(std::size_t items, std::chrono::milliseconds latency, std::uint16_t port)
{
    constexpr std::uint32_t base = 10'000'000;
    constexpr std::uint32_t numbers = 20'000; // per item: some milliseconds
    constexpr std::uint32_t blocks = 16;      // different ones; they are alike in cost

    std::array<std::uint64_t, blocks> prime_counts;
    for (std::uint32_t b = 0; b < blocks; ++b)
        prime_counts[b] = primes_by_sieve(base + b * numbers, base + (b + 1) * numbers);

    const auto ms = static_cast<std::uint32_t>(latency.count());
    workload timers{"timers", fmt::format("timers: {} of {} ms", items, ms), {}, {}, timer_blocking, timer_coroutine};
    workload requests{
        "requests", fmt::format("requests: {}, TCP, answered after {} ms", items, ms), {}, {}, request_blocking, request_coroutine};
    workload primes{
        "primes", fmt::format("primes: {} counts of {} numbers", items, numbers), {}, {}, primes_blocking, primes_coroutine};
    workload services{"services", fmt::format("services: {} requests, each then counts primes", items), {}, {}, service_blocking,
        service_coroutine};
    for (std::size_t k = 0; k < items; ++k) {
        const auto b = static_cast<std::uint32_t>(k % blocks);
        const item i{
            .number = k + 1, .port = port, .latency_ms = ms, .first = base + b * numbers, .last = base + (b + 1) * numbers};
        for (workload* w : {&timers, &requests, &primes, &services})
            w->items.push_back(i);
        timers.answers.push_back(i.number);
        requests.answers.push_back(answer_to(i.number));
        primes.answers.push_back(prime_counts[b]);
        services.answers.push_back(answer_to(i.number) + prime_counts[b]);
    }
    std::vector<workload> all;
    for (workload* w : {&timers, &requests, &primes, &services})
        all.push_back(std::move(*w));
    return all;
}

} // namespace measure
