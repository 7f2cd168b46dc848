// A TCP echo server of coroutines: `serve` accepts, and runs one coroutine for each connection, on the threads of a pool.
// Ctrl-C stops it cleanly: it stops accepting, cancels the open connections, and says what it did. --port 0 takes a free port.

#include "command_line.hpp"

#include <tandem/io/serve.hpp>
#include <tandem/io/signals.hpp>
#include <tandem/io/stream.hpp>
#include <tandem/tandem.hpp>

#include <asio/ip/tcp.hpp>
#include <asio/thread_pool.hpp>

#include <array>
#include <atomic>
#include <csignal>

using asio::ip::tcp;

tandem::task<> echo(tcp::socket socket, std::atomic<long>& bytes)
{
    std::array<char, 4096> data;
    for (;;) {
        // Throws when the client has gone, which ends the connection, and when we are asked to stop.
        const std::size_t n = co_await tandem::read_some(socket, asio::buffer(data));
        co_await tandem::write(socket, asio::buffer(data, n));
        bytes += static_cast<long>(n);
    }
}

int main(int argc, char** argv)
{
    unsigned short port = 7007;
    read_command_line(argc, argv, option("--port", port, 0, 65535));
    try {
        std::atomic<long> bytes = 0;
        tandem::serve_counters count;
        tandem::thread_pool pool;
        tcp::acceptor acceptor{pool.context(), tcp::endpoint{asio::ip::address_v4::loopback(), port}};
        auto stop = tandem::wait_signal(pool, {SIGINT, SIGTERM}); // from here on they do not end the program
        fmt::print("listening on port {}; Ctrl-C stops\n", acceptor.local_endpoint().port());
        std::fflush(stdout); // stdout may be a pipe

        const auto handler = [&](tcp::socket socket) { return echo(std::move(socket), bytes); };
        auto serving = tandem::serve(acceptor, handler, {.drain = {}}, &count);
        tandem::sync_wait(pool, tandem::race(std::move(serving), std::move(stop)));

        fmt::print(
            "stopped; bytes: {}, connections: {}, still open: {}\n", bytes.load(), count.accepted.load(), count.cancelled.load());
    }
    catch (const std::exception& e) {
        fmt::print(stderr, "echo_server: port {}: {}\n", port, e.what());
        return 1;
    }
}
