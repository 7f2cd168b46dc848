// io_socket_st [CONNECTIONS] [REQUESTS]: a server that answers every read with the same page, and a client that asks for it over so
// many connections; each on a pool of one thread.

#include "suite.hpp"

#include <tandem/combine/when_all.hpp>
#include <tandem/io/stream.hpp>
#include <tandem/io/use_task.hpp>
#include <tandem/pool/co_spawn.hpp>

#include <asio/buffer.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/thread_pool.hpp>

#include <array>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace {

using asio::ip::tcp;
using tandem::use_task;

// Of the pool's executor, not of one that may be any: 150 instructions less for an operation of Asio's.
using executor = asio::thread_pool::executor_type;
using acceptor = asio::basic_socket_acceptor<tcp, executor>;
using socket = asio::basic_stream_socket<tcp, executor>;

constexpr std::string_view page = "HTTP/1.1 200 OK\nContent-Length: 12\nContent-Type: text/plain; charset=utf-8\n\nHello World!";
constexpr std::string_view request = "HEAD / HTTP/1.1\r\nHost: host:port\r\nConnection: close\r\n\r\n";

/// Answers until the client goes; how often.
tandem::task<std::size_t> serve(socket s)
{
    std::array<char, 4096> bytes;
    std::size_t served = 0;
    try {
        for (;; ++served) {
            co_await tandem::read_some(s, asio::buffer(bytes));
            co_await tandem::write(s, asio::buffer(page));
        }
    }
    catch (const std::system_error& e) {
        if (e.code() != asio::error::eof)
            throw;
    }
    co_return served;
}

tandem::task<std::size_t> server(tandem::thread_pool& pool, acceptor& a, std::size_t connections)
{
    std::vector<tandem::async_result<std::size_t>> handlers;
    for (std::size_t k = 0; k < connections; ++k) {
        socket s = co_await a.async_accept(use_task);
        handlers.push_back(tandem::co_spawn(pool, serve(std::move(s))));
    }
    std::size_t served = 0;
    for (auto& h : handlers)
        served += co_await std::move(h);
    co_return served;
}

tandem::task<> ask(tandem::thread_pool& pool, tcp::endpoint where, std::size_t requests)
{
    socket s(pool.context());
    co_await s.async_connect(where, use_task);
    std::array<char, 4096> bytes;
    for (std::size_t k = 0; k < requests; ++k) {
        co_await tandem::write(s, asio::buffer(request));
        co_await tandem::read_some(s, asio::buffer(bytes));
    }
    s.shutdown(tcp::socket::shutdown_both);
}

tandem::task<> client(tandem::thread_pool& pool, tcp::endpoint where, std::size_t connections, std::size_t requests)
{
    std::vector<tandem::task<>> tasks;
    for (std::size_t k = 0; k < connections; ++k)
        tasks.push_back(ask(pool, where, requests * (k + 1) / connections - requests * k / connections));
    co_await tandem::when_all(std::move(tasks));
}

} // namespace

int main(int argc, char** argv)
{
    const std::size_t connections = suite::argument(argc, argv, 1, 20);
    const std::size_t requests = suite::argument(argc, argv, 2, 100'000);
    tandem::thread_pool serving(1);
    tandem::thread_pool asking(1);
    acceptor listening(serving.context(), tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    const tcp::endpoint where = listening.local_endpoint();
    std::size_t served = 0;
    const auto us = suite::timed([&] {
        auto all_served = tandem::co_spawn(serving, server(serving, listening, connections));
        tandem::sync_wait(asking, client(asking, where, connections, requests));
        served = all_served.get();
    });
    suite::expect(served, requests, "the number of requests");
    std::printf("connections: %zu\n", connections);
    suite::report("requests", requests, us);
}
