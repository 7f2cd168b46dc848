// A TCP echo server of coroutines: one accepts, and one for each connection echoes, on the threads of a pool.
// Ctrl-C stops it cleanly: it stops accepting, cancels the open connections, and says what it did. --port 0 takes a free port.

#include "command_line.hpp"

#include <tandem/io/sleep.hpp>
#include <tandem/io/use_task.hpp>
#include <tandem/tandem.hpp>

#include <asio/ip/tcp.hpp>
#include <asio/signal_set.hpp>
#include <asio/thread_pool.hpp>
#include <asio/write.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>

using asio::ip::tcp;
using tandem::use_task;

struct totals {
    std::atomic<long> connections = 0;
    std::atomic<long> open = 0;
    std::atomic<long> bytes = 0;
};

tandem::task<> echo(tcp::socket socket, totals& total)
{
    std::array<char, 4096> data;
    ++total.connections;
    ++total.open;
    try {
        for (;;) {
            const std::size_t n = co_await socket.async_read_some(asio::buffer(data), use_task);
            co_await asio::async_write(socket, asio::buffer(data, n), use_task);
            total.bytes += static_cast<long>(n);
        }
    }
    catch (const asio::system_error&) {
        // The client has gone, or we were asked to stop.
    }
    --total.open;
}

tandem::task<> serve(tandem::thread_pool& pool, tcp::acceptor& acceptor, totals& total)
{
    for (;;) {
        try {
            for (;;) {
                tcp::socket socket = co_await acceptor.async_accept(use_task);
                tandem::co_spawn(pool, echo(std::move(socket), total));
            }
        }
        catch (const tandem::operation_cancelled&) {
            co_return;
        }
        catch (const asio::system_error& e) {
            fmt::print(stderr, "echo_server: {}\n", e.what()); // out of file descriptors, as a rule
        }
        co_await tandem::sleep_for(std::chrono::milliseconds(100));
    }
}

int main(int argc, char** argv)
{
    unsigned short port = 7007;
    read_command_line(argc, argv, option("--port", port, 0, 65535));
    try {
        totals total;
        tandem::thread_pool pool;
        tcp::acceptor acceptor{pool.context(), tcp::endpoint{asio::ip::address_v4::loopback(), port}};
        asio::signal_set signals{pool.context(), SIGINT, SIGTERM};
        fmt::print("listening on port {}; Ctrl-C stops\n", acceptor.local_endpoint().port());
        std::fflush(stdout); // stdout may be a pipe

        auto serving = tandem::co_spawn(pool, serve(pool, acceptor, total));
        tandem::sync_wait(pool, signals.async_wait(use_task));

        serving.cancel();
        serving.wait();
        const long open = total.open;
        pool.terminate(); // every connection's wait ends with operation_cancelled
        pool.join();
        fmt::print("stopped; bytes: {}, connections: {}, still open: {}\n", total.bytes.load(), total.connections.load(), open);
    }
    catch (const std::exception& e) {
        fmt::print(stderr, "echo_server: port {}: {}\n", port, e.what());
        return 1;
    }
}
