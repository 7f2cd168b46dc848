#include "cases.hpp"

#include <tandem/io/serve.hpp>
#include <tandem/io/stream.hpp>
#include <tandem/pool/co_spawn.hpp>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>
#include <fmt/core.h>

#include <array>
#include <cstdio>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

namespace services {

namespace {

using asio::ip::tcp;

const tcp::endpoint any_port{asio::ip::address_v4::loopback(), 0};

tandem::task<> tandem_echo(tcp::socket s)
{
    s.set_option(tcp::no_delay(true));
    std::array<char, 1024> data;
    for (;;) {
        const std::size_t n = co_await tandem::read_some(s, asio::buffer(data));
        co_await tandem::write(s, asio::buffer(data, n));
    }
}

asio::awaitable<void> asio_echo(tcp::socket s)
{
    s.set_option(tcp::no_delay(true));
    std::array<char, 1024> data;
    try {
        for (;;) {
            const std::size_t n = co_await s.async_read_some(asio::buffer(data), asio::use_awaitable);
            co_await asio::async_write(s, asio::buffer(data, n), asio::use_awaitable);
        }
    }
    catch (const asio::system_error&) {
        // the client has gone
    }
}

asio::awaitable<void> asio_accept(tcp::acceptor& a)
{
    for (;;) {
        tcp::socket s = co_await a.async_accept(asio::use_awaitable);
        auto ex = s.get_executor();
        asio::co_spawn(ex, asio_echo(std::move(s)), asio::detached);
    }
}

class callback_session : public std::enable_shared_from_this<callback_session> {
public:
    explicit callback_session(tcp::socket s) : socket_(std::move(s)) { socket_.set_option(tcp::no_delay(true)); }
    void read()
    {
        socket_.async_read_some(asio::buffer(data_), [self = shared_from_this()](const asio::error_code& e, std::size_t n) {
            if (!e)
                self->write(n);
        });
    }

private:
    void write(std::size_t n)
    {
        asio::async_write(socket_, asio::buffer(data_, n), [self = shared_from_this()](const asio::error_code& e, std::size_t) {
            if (!e)
                self->read();
        });
    }
    tcp::socket socket_;
    std::array<char, 1024> data_{};
};

void accept_with_callbacks(tcp::acceptor& a)
{
    a.async_accept([&a](const asio::error_code& e, tcp::socket s) {
        if (e)
            return;
        std::make_shared<callback_session>(std::move(s))->read();
        accept_with_callbacks(a);
    });
}

} // namespace

void serve_until_told(unsigned short port)
{
    fmt::print("{}\n", port);
    std::fflush(stdout);
    std::string ignored;
    while (std::getline(std::cin, ignored)) {}
}

void echo_server(const std::string& who)
{
    if (who == "tandem") {
        tandem::thread_pool pool(2);
        tcp::acceptor a(pool.context(), any_port);
        auto serving = co_spawn(pool, tandem::serve(a, tandem_echo, {.drain = {}}));
        serve_until_told(a.local_endpoint().port());
        serving.cancel();
        serving.get();
    }
    else if (who == "asio_awaitable") {
        asio::thread_pool pool(2);
        tcp::acceptor a(pool, any_port);
        asio::co_spawn(pool, asio_accept(a), asio::detached);
        serve_until_told(a.local_endpoint().port());
        std::_Exit(0);
    }
    else if (who == "asio_callbacks") {
        asio::io_context io(1);
        tcp::acceptor a(io, any_port);
        accept_with_callbacks(a);
        std::thread runner([&] { io.run(); });
        serve_until_told(a.local_endpoint().port());
        std::_Exit(0);
    }
    else
        throw std::invalid_argument("nobody echoes as " + who);
}

} // namespace services
