// Happy Eyeballs (RFC 8305): connects to the first address of a host that answers. The attempts are staggered: each begins when the
// one before has failed, or has not succeeded within --delay milliseconds; `when_any` gives the first connection and cancels the rest.

#include "command_line.hpp"

#include <tandem/io/use_task.hpp>
#include <tandem/tandem.hpp>

#include <asio/ip/tcp.hpp>
#include <asio/thread_pool.hpp>

#include <chrono>
#include <deque>
#include <vector>

using asio::ip::tcp;
using tandem::task;
using tandem::use_task;

struct connection {
    tcp::socket socket;
    std::size_t attempt;
};

task<connection> attempt(tcp::endpoint address, std::size_t number, std::deque<tandem::event>& failed,
    std::chrono::milliseconds delay, asio::thread_pool& io)
{
    if (number > 0) {
        // Throws when the time is over; either way it is our turn.
        auto turn = tandem::with_timeout(failed[number - 1].wait(), delay);
        try {
            co_await std::move(turn);
        }
        catch (const tandem::timeout_error&) {
        }
    }
    connection c{tcp::socket{io}, number};
    try {
        co_await c.socket.async_connect(address, use_task);
    }
    catch (...) {
        failed[number].set();
        throw;
    }
    co_return c;
}

task<connection> connect(std::string host, unsigned short port, std::chrono::milliseconds delay, asio::thread_pool& io)
{
    tcp::resolver resolver{io};
    const auto found = co_await resolver.async_resolve(host, std::to_string(port), use_task);
    std::deque<tandem::event> failed(found.size());
    std::vector<task<connection>> attempts;
    for (const auto& entry : found) {
        // (RFC 8305 also alternates between IPv6 and IPv4; the resolver's order will do here.)
        const std::size_t number = attempts.size();
        attempts.push_back(attempt(entry.endpoint(), number, failed, number * delay, io));
    }
    auto first = co_await tandem::when_any(std::move(attempts));
    co_return std::move(first.value);
}

int main(int argc, char** argv)
{
    std::string host = "localhost";
    unsigned short port = 7007;
    int delay = 250;
    read_command_line(argc, argv, option("--host", host), option("--port", port, 1, 65535), option("--delay", delay, 0, 60000));
    try {
        tandem::thread_pool pool{2};
        auto c = tandem::sync_wait(pool, connect(host, port, std::chrono::milliseconds(delay), pool.context()));
        const tcp::endpoint peer = c.socket.remote_endpoint();
        fmt::print("connected to {} port {} by attempt {}\n", peer.address().to_string(), peer.port(), c.attempt + 1);
    }
    catch (const std::exception& e) {
        fmt::print(stderr, "happy_eyeballs: {} port {}: {}\n", host, port, e.what());
        return 1;
    }
}
