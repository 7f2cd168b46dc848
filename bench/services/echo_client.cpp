#include "cases.hpp"

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read.hpp>
#include <asio/steady_timer.hpp>
#include <asio/write.hpp>
#include <fmt/core.h>

#include <array>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include <cerrno>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace services {

namespace {

using asio::ip::tcp;
using clock = std::chrono::steady_clock;

constexpr std::size_t connections = 64;
constexpr std::size_t message = 64;

void check(bool well, const char* what)
{
    if (!well)
        throw std::system_error(errno, std::generic_category(), what);
}

tcp::socket connected_to(asio::io_context& io, unsigned short port)
{
    tcp::socket s(io);
    s.connect({asio::ip::address_v4::loopback(), port});
    s.set_option(tcp::no_delay(true));
    return s;
}

/// As one writes it with Asio. It takes about as much of the machine as a server, so that a faster server is not to be seen from here.
class asio_client {
public:
    asio_client(asio::io_context& io, unsigned short port) : socket_(connected_to(io, port)) {}
    void run(const bool& stop, std::size_t& requests)
    {
        asio::async_write(socket_, asio::buffer(data_), [this, &stop, &requests](const asio::error_code& e, std::size_t) {
            if (e)
                throw asio::system_error(e);
            asio::async_read(socket_, asio::buffer(data_), [this, &stop, &requests](const asio::error_code& f, std::size_t) {
                if (f)
                    throw asio::system_error(f);
                ++requests;
                if (!stop)
                    run(stop, requests);
            });
        });
    }

private:
    tcp::socket socket_;
    std::array<char, message> data_{};
};

double requests_on_asio(unsigned short port, double seconds)
{
    asio::io_context io(1);
    std::vector<std::unique_ptr<asio_client>> clients;
    for (std::size_t k = 0; k < connections; ++k)
        clients.push_back(std::make_unique<asio_client>(io, port));
    bool stop = false;
    std::size_t requests = 0;
    for (auto& c : clients)
        c->run(stop, requests);
    asio::steady_timer timer(io, std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(seconds)));
    timer.async_wait([&](const asio::error_code&) { stop = true; });
    const auto begin = clock::now();
    io.run();
    return static_cast<double>(requests) / std::chrono::duration<double>(clock::now() - begin).count();
}

/// On epoll alone, so that it is the server that is measured.
class epoll_client {
public:
    epoll_client(asio::io_context& io, unsigned short port) : socket_(connected_to(io, port)) {}
    [[nodiscard]] int handle() { return socket_.native_handle(); }
    void send()
    {
        check(::send(handle(), data_.data(), data_.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(data_.size()), "send");
        expected_ = data_.size();
    }
    /// Takes what has come; true when that was the rest of a message.
    bool receive()
    {
        const ssize_t n = ::recv(handle(), data_.data(), expected_, MSG_DONTWAIT);
        check(n > 0, "recv");
        expected_ -= static_cast<std::size_t>(n);
        return expected_ == 0;
    }

private:
    tcp::socket socket_;
    std::array<char, message> data_{};
    std::size_t expected_ = 0;
};

double requests_on_epoll(unsigned short port, double seconds)
{
    const int poll = epoll_create1(EPOLL_CLOEXEC);
    check(poll >= 0, "epoll_create1");
    asio::io_context not_run;
    std::vector<std::unique_ptr<epoll_client>> clients;
    for (std::size_t k = 0; k < connections; ++k) {
        clients.push_back(std::make_unique<epoll_client>(not_run, port));
        epoll_event e{};
        e.events = EPOLLIN;
        e.data.ptr = clients.back().get();
        check(epoll_ctl(poll, EPOLL_CTL_ADD, clients.back()->handle(), &e) == 0, "epoll_ctl");
    }
    std::size_t requests = 0;
    std::array<epoll_event, connections> ready{};
    for (auto& c : clients)
        c->send();
    const auto begin = clock::now();
    const auto end = begin + std::chrono::duration_cast<clock::duration>(std::chrono::duration<double>(seconds));
    while (clock::now() < end) {
        const int n = epoll_wait(poll, ready.data(), connections, 1000);
        check(n >= 0, "epoll_wait");
        for (int k = 0; k < n; ++k) {
            auto& c = *static_cast<epoll_client*>(ready[static_cast<std::size_t>(k)].data.ptr);
            if (c.receive()) {
                ++requests;
                c.send();
            }
        }
    }
    close(poll);
    return static_cast<double>(requests) / std::chrono::duration<double>(clock::now() - begin).count();
}

} // namespace

void echo_client(const std::string& on, const std::string& port, double seconds)
{
    const auto number = static_cast<unsigned short>(std::stoul(port));
    if (on != "asio" && on != "epoll")
        throw std::invalid_argument("there is no echo client on " + on);
    fmt::print("{:.0f}\n", on == "asio" ? requests_on_asio(number, seconds) : requests_on_epoll(number, seconds));
}

} // namespace services
