// A server that echoes, and a client for it.
#pragma once

#include "support/threads.hpp"

#include <tandem/io/serve.hpp>
#include <tandem/io/use_task.hpp>
#include <tandem/pool/co_spawn.hpp>
#include <tandem/sync/sleep.hpp>

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read.hpp>
#include <asio/thread_pool.hpp>
#include <asio/write.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace tandem::test {

using asio::ip::tcp;

/// Echoes; "fail" makes it throw, and "hold" makes it wait for ever.
template <class Socket>
task<> echo(Socket socket)
{
    std::array<char, 256> data;
    for (;;) {
        const std::size_t n = co_await socket.async_read_some(asio::buffer(data), use_task);
        const std::string text(data.data(), n);
        if (text == "fail")
            throw std::runtime_error("the handler failed");
        if (text == "hold")
            co_await sleep_for(std::chrono::hours(1));
        co_await asio::async_write(socket, asio::buffer(text), use_task);
    }
}

struct server {
    explicit server(serve_options o = {}, std::size_t threads = 2) : pool(threads)
    {
        o.on_error = [this](const std::exception_ptr& e) {
            const std::lock_guard lock(m);
            errors.push_back(e); // only kept: without descriptors UBSan takes every object for a wrong one
        };
        serving = co_spawn(pool, serve(acceptor, echo<tcp::socket>, std::move(o), &counters));
    }
    ~server()
    {
        pool.terminate();
        serving.wait(); // it uses the acceptor and what is below
    }
    std::vector<std::string> seen()
    {
        const std::lock_guard lock(m);
        std::vector<std::string> texts;
        for (const std::exception_ptr& e : errors)
            try {
                std::rethrow_exception(e);
            }
            catch (const std::exception& x) {
                texts.emplace_back(x.what());
            }
        return texts;
    }

    thread_pool pool;
    tcp::acceptor acceptor{pool.context(), tcp::endpoint{asio::ip::address_v4::loopback(), 0}};
    const tcp::endpoint address = acceptor.local_endpoint();
    serve_counters counters;
    std::mutex m;
    std::vector<std::exception_ptr> errors;
    async_result<void> serving;
};

/// A client that blocks, on a context of its own.
struct client {
    explicit client(const tcp::endpoint& to) { socket.connect(to); }
    void send(const std::string& text) { asio::write(socket, asio::buffer(text)); }
    std::string receive(std::size_t n)
    {
        std::string text(n, '\0');
        asio::read(socket, asio::buffer(text));
        return text;
    }
    bool closed()
    {
        char c = 0;
        asio::error_code e;
        socket.read_some(asio::buffer(&c, 1), e);
        return e == asio::error::eof || e == asio::error::connection_reset;
    }

    asio::io_context io;
    tcp::socket socket{io};
};

} // namespace tandem::test
