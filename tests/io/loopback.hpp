// Sockets connected to each other on the loopback interface.
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/connect.hpp>
#include <asio/ip/tcp.hpp>

#include <utility>

namespace tandem::test {

using tcp = asio::ip::tcp;

inline tcp::acceptor listen_on_loopback(const asio::any_io_executor& ex)
{
    return {ex, tcp::endpoint(asio::ip::address_v4::loopback(), 0)};
}

/// Two ends of one connection, both on `ex`. Blocks, for a moment.
inline std::pair<tcp::socket, tcp::socket> connected_pair(const asio::any_io_executor& ex)
{
    tcp::acceptor acceptor = listen_on_loopback(ex);
    tcp::socket client(ex);
    client.connect(acceptor.local_endpoint());
    tcp::socket server = acceptor.accept();
    return {std::move(client), std::move(server)};
}

} // namespace tandem::test
