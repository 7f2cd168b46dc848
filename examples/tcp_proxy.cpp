// A TCP proxy: what comes in on --port goes to --to-host and --to-port, and back. Each connection is a scope with two tasks, one for
// each direction; when one side has said all it had to, the other is told so and may go on (half-close); an error ends both.

#include "command_line.hpp"

#include <tandem/io/serve.hpp>
#include <tandem/io/signals.hpp>
#include <tandem/io/stream.hpp>
#include <tandem/io/use_task.hpp>
#include <tandem/tandem.hpp>

#include <asio/connect.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/thread_pool.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>

using asio::ip::tcp;
using tandem::task;
using tandem::use_task;
using namespace std::chrono_literals;

task<> copy(tcp::socket& from, tcp::socket& to, std::atomic<long>& bytes)
{
    std::array<char, 16 * 1024> data;
    try {
        for (;;) {
            const std::size_t n = co_await tandem::read_some(from, asio::buffer(data));
            co_await tandem::write(to, asio::buffer(data, n));
            bytes += static_cast<long>(n);
        }
    }
    catch (const asio::system_error& e) {
        if (e.code() != asio::error::eof)
            throw;
    }
    asio::error_code gone; // it may have left meanwhile
    to.shutdown(tcp::socket::shutdown_send, gone);
}

task<> connect(tcp::socket& to, const std::string& host, const std::string& port)
{
    tcp::resolver resolver{to.get_executor()};
    const auto addresses = co_await resolver.async_resolve(host, port, use_task);
    co_await asio::async_connect(to, addresses, use_task);
}

struct proxy {
    std::string host;
    std::string port;
    std::atomic<long> there = 0;
    std::atomic<long> back = 0;

    task<> operator()(tcp::socket client)
    {
        tcp::socket target{client.get_executor()};
        co_await tandem::with_timeout(connect(target, host, port), 5s);
        co_await tandem::with_scope([&](tandem::task_scope& scope) -> task<> {
            scope.spawn(copy(client, target, there));
            co_await copy(target, client, back);
        });
    }
};

int main(int argc, char** argv)
{
    unsigned short port = 7008;
    unsigned short to_port = 7007;
    proxy p{.host = "localhost", .port = ""};
    read_command_line(
        argc, argv, option("--port", port, 0, 65535), option("--to-host", p.host), option("--to-port", to_port, 1, 65535));
    p.port = std::to_string(to_port);
    try {
        tandem::serve_counters count;
        tandem::thread_pool pool;
        tcp::acceptor acceptor{pool.context(), tcp::endpoint{asio::ip::address_v4::loopback(), port}};
        auto stop = tandem::wait_signal(pool, {SIGINT, SIGTERM}); // from here on they do not end the program
        fmt::print("listening on port {}; Ctrl-C stops\n", acceptor.local_endpoint().port());
        std::fflush(stdout);

        auto serving = tandem::serve(acceptor, std::ref(p), {.drain = 1s}, &count);
        tandem::sync_wait(pool, tandem::race(std::move(serving), std::move(stop)));

        fmt::print("stopped; connections: {}, failed: {}, bytes there: {}, back: {}\n", count.accepted.load(), count.failed.load(),
            p.there.load(), p.back.load());
    }
    catch (const std::exception& e) {
        fmt::print(stderr, "tcp_proxy: port {}: {}\n", port, e.what());
        return 1;
    }
}
