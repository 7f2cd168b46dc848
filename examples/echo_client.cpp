// A client for echo_server: sends each line of stdin, and prints what comes back.
// Blocking code outside, coroutines inside: pool.map awaits one for each connection. --clients N makes N connections.

#include "command_line.hpp"

#include <tandem/io/stream.hpp>
#include <tandem/io/use_task.hpp>
#include <tandem/tandem.hpp>

#include <asio/ip/tcp.hpp>
#include <asio/read.hpp>
#include <asio/thread_pool.hpp>

#include <iostream>
#include <ranges>
#include <stdexcept>
#include <string>
#include <vector>

using asio::ip::tcp;
using tandem::use_task;

tandem::task<tcp::socket> connect(tandem::thread_pool& pool, unsigned short port)
{
    tcp::socket socket{pool.context()};
    co_await socket.async_connect(tcp::endpoint{asio::ip::address_v4::loopback(), port}, use_task);
    co_return socket;
}

tandem::task<> echo(tcp::socket& socket, const std::string& line)
{
    co_await tandem::write(socket, asio::buffer(line));
    std::string answer(line.size(), '\0');
    co_await asio::async_read(socket, asio::buffer(answer), use_task);
    if (answer != line)
        throw std::runtime_error("something else came back");
}

int main(int argc, char** argv)
{
    unsigned short port = 7007;
    int clients = 1;
    read_command_line(argc, argv, option("--port", port, 1, 65535), option("--clients", clients, 1, 10000));
    try {
        tandem::thread_pool pool;
        const auto connect_one = [&](int) { return connect(pool, port); };
        std::vector<tcp::socket> sockets = pool.map(connect_one, std::views::iota(0, clients));

        for (std::string line; std::getline(std::cin, line);) {
            pool.map([&](tcp::socket& socket) { return echo(socket, line); }, sockets);
            fmt::print("{}\n", line);
            std::fflush(stdout);
        }
    }
    catch (const asio::system_error& e) {
        const bool ended = e.code() == asio::error::eof;
        fmt::print(stderr, "echo_client: port {}: {}\n", port, ended ? "the server closed the connection" : e.what());
        return 1;
    }
    catch (const std::exception& e) {
        fmt::print(stderr, "echo_client: port {}: {}\n", port, e.what());
        return 1;
    }
}
