// What docs/services.md shows, run: limits of time, races, scopes, retries, channels and locks, generators, blocking calls, a server, deadlocks.

#include <tandem/io/blocking.hpp>
#include <tandem/io/serve.hpp>
#include <tandem/io/signals.hpp>
#include <tandem/io/stream.hpp>
#include <tandem/sync/manual_context.hpp>
#include <tandem/tandem.hpp>

#include <asio/ip/tcp.hpp>
#include <asio/thread_pool.hpp>
#include <fmt/ranges.h>

#include <chrono>
#include <csignal>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

using namespace std::chrono_literals;
using tandem::task;

task<std::string> fetch(std::string name, std::chrono::milliseconds length)
{
    co_await tandem::sleep_for(length); // in place of a socket
    co_return name;
}

// [services_timeout]
task<std::string> fetch_within(std::chrono::milliseconds limit)
{
    auto limited = tandem::with_timeout(fetch("slow", 10s), limit);
    co_return co_await std::move(limited); // throws timeout_error, when the fetch has been cancelled and has ended
}
// [/services_timeout]

// [services_race]
task<std::string> fastest_mirror()
{
    std::vector<task<std::string>> mirrors;
    mirrors.push_back(fetch("far", 10s));
    mirrors.push_back(fetch("near", 1ms));
    auto first = co_await tandem::when_any(std::move(mirrors)); // the others are cancelled, and have ended
    co_return first.value;
}
// [/services_race]

// [services_scope]
task<int> crawl()
{
    int pages = 0;
    tandem::mutex m;
    co_await tandem::with_scope([&](tandem::task_scope& scope) -> task<> {
        for (int site = 0; site < 3; ++site)
            scope.spawn([&, site]() -> task<> {
                const auto front = co_await fetch("front page", 1ms * site);
                scope.spawn([&]() -> task<> { // found on the way
                    const auto guard = co_await m.lock();
                    ++pages;
                });
                const auto guard = co_await m.lock();
                ++pages;
            });
        co_return;
    }); // here all of them have ended; the first error would have cancelled the rest, and would be thrown here
    co_return pages;
}
// [/services_scope]

// [services_retry]
task<std::string> fetch_stubbornly(int& attempts)
{
    const tandem::retry_policy policy{.max_attempts = 5, .delay = 1ms, .multiplier = 2, .jitter = 0.5};
    auto result = tandem::retry(policy, [&]() -> task<std::string> {
        if (++attempts < 3)
            throw std::runtime_error("not yet");
        return fetch("at last", 1ms);
    });
    co_return co_await std::move(result);
}
// [/services_retry]

// [services_channel]
task<> produce(tandem::channel<int>& numbers)
{
    for (int n = 1; n <= 4; ++n)
        co_await numbers.send(n); // waits while the channel is full
    numbers.close();
}
task<long> consume(tandem::channel<int>& numbers)
{
    long sum = 0;
    while (const auto n = co_await numbers.receive()) // nothing, once it is closed and empty
        sum += *n;
    co_return sum;
}
// [/services_channel]

// [services_generator]
tandem::async_generator<std::string> pages_of(int count)
{
    for (int n = 1; n <= count; ++n)
        co_yield co_await fetch("page " + std::to_string(n), 1ms);
}
task<std::vector<std::string>> read_pages()
{
    std::vector<std::string> seen;
    auto pages = pages_of(2);
    while (const auto page = co_await pages.next())
        seen.push_back(*page);
    co_return seen;
}
// [/services_generator]

// [services_blocking]
task<std::size_t> length_of(std::string path)
{
    auto read = tandem::blocking([&] { return path.size(); }); // in place of a file: runs on a thread for such calls
    co_return co_await std::move(read);
}
// [/services_blocking]

// [services_locals]
tandem::task_local<std::string> request_id;

task<std::string> log_line(std::string text)
{
    const std::string* const id = co_await request_id.get();
    co_return (id ? *id : "-") + ": " + text;
}
task<std::string> handle_request()
{
    auto line = request_id.bind("r17", tandem::when_all(log_line("begun"), log_line("done")));
    const auto [begun, done] = co_await std::move(line);
    co_return begun + ", " + done;
}
// [/services_locals]

// [services_serve]
task<> greet(asio::ip::tcp::socket socket) { co_await tandem::write(socket, asio::buffer("hello\n", 6)); }

void greet_until_interrupted(tandem::thread_pool& pool, asio::ip::tcp::acceptor& acceptor)
{
    auto interrupted = tandem::wait_signal(pool, {SIGINT, SIGTERM});
    auto serving = tandem::serve(acceptor, greet, {.max_connections = 1000, .drain = 5s});
    // The signal wins; serve is asked to stop, lets the open connections finish for five seconds, and ends.
    tandem::sync_wait(pool, tandem::race(std::move(serving), std::move(interrupted)));
}
// [/services_serve]

// [services_deadlock]
task<> transfer(tandem::mutex& from, tandem::mutex& to)
{
    const auto first = co_await from.lock();
    co_await tandem::yield();
    const auto second = co_await to.lock();
}
std::string why_it_hangs()
{
    tandem::mutex a;
    tandem::mutex b;
    tandem::manual_context manual;
    try {
        manual.run(tandem::when_all(tandem::named("pay", transfer(a, b)), tandem::named("refund", transfer(b, a))));
    }
    catch (const tandem::would_deadlock& e) {
        return e.what();
        // manual_context: the task can never end, since no job is queued and nobody sleeps; what waits is:
        //     when_all of 2
        //         #1 "pay" transfer (examples/services.cpp:160): mutex
        //         #2 "refund" transfer (examples/services.cpp:160): mutex
    }
    return "it does not";
}
// [/services_deadlock]

// [services_watchdog]
tandem::thread_pool_options watched() { return {.threads = 2, .name = "io", .report_blocked_after = 100ms}; }
// [/services_watchdog]

int main()
{
    fmt::print("{}\n", why_it_hangs());
    tandem::thread_pool pool{watched()};
    try {
        tandem::sync_wait(pool, fetch_within(5ms));
    }
    catch (const tandem::timeout_error& e) {
        fmt::print("{}\n", e.what());
    }
    fmt::print("{}\n", tandem::sync_wait(pool, fastest_mirror()));
    fmt::print("{}\n", tandem::sync_wait(pool, crawl()));
    int attempts = 0;
    const std::string text = tandem::sync_wait(pool, fetch_stubbornly(attempts));
    fmt::print("{} after {}\n", text, attempts);
    tandem::channel<int> numbers{2};
    auto producing = tandem::co_spawn(pool, produce(numbers));
    fmt::print("{}\n", tandem::sync_wait(pool, consume(numbers)));
    producing.get();
    fmt::print("{}\n", tandem::sync_wait(pool, read_pages()));
    fmt::print("{}\n", tandem::sync_wait(pool, length_of("a path")));
    fmt::print("{}\n", tandem::sync_wait(pool, handle_request()));

    asio::ip::tcp::acceptor acceptor{pool.context(), {asio::ip::address_v4::loopback(), 0}};
    auto ctrl_c = pool.apply_async([] {
        std::this_thread::sleep_for(50ms);
        kill(getpid(), SIGTERM);
    });
    greet_until_interrupted(pool, acceptor);
    fmt::print("stopped\n");
}
