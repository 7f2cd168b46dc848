#include "server.hpp"

#include <tandem/io/co_spawn.hpp>
#include <tandem/io/sleep.hpp>
#include <tandem/io/use_task.hpp>

#include <asio/buffer.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read.hpp>
#include <asio/write.hpp>

#include <pthread.h>
#include <time.h>

#include <thread>
#include <utility>

namespace measure {

using asio::ip::tcp;
using tandem::task;
using tandem::use_task;

namespace {

task<> serve_one(tcp::socket socket, std::chrono::milliseconds latency)
{
    try {
        std::uint64_t number = 0;
        co_await asio::async_read(socket, asio::buffer(&number, sizeof number), use_task);
        co_await tandem::sleep_for(latency);
        number = answer_to(number);
        co_await asio::async_write(socket, asio::buffer(&number, sizeof number), use_task);
    }
    catch (const asio::system_error&) {
        // The client has gone; whoever waits for the answer says so.
    }
}

task<> serve_all(tcp::acceptor acceptor, std::chrono::milliseconds latency)
{
    for (;;) {
        bool out_of_descriptors = false;
        try {
            tandem::co_spawn(acceptor.get_executor(), serve_one(co_await acceptor.async_accept(use_task), latency));
        }
        catch (const asio::system_error&) {
            out_of_descriptors = true;
        }
        if (out_of_descriptors)
            co_await tandem::sleep_for(std::chrono::milliseconds(10)); // some connection ends meanwhile
    }
}

} // namespace

std::uint64_t answer_to(std::uint64_t n) noexcept
{
    // splitmix64: no two numbers have the same answer
    n += 0x9e3779b97f4a7c15u;
    n = (n ^ (n >> 30)) * 0xbf58476d1ce4e5b9u;
    n = (n ^ (n >> 27)) * 0x94d049bb133111ebu;
    return n ^ (n >> 31);
}

struct server::impl {
    asio::io_context context{1};
    std::uint16_t port = 0;
    std::thread thread;
    clockid_t clock{};
};

server::server(std::chrono::milliseconds latency) : impl_(std::make_unique<impl>())
{
    tcp::acceptor acceptor(impl_->context, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    impl_->port = acceptor.local_endpoint().port();
    tandem::co_spawn(impl_->context, serve_all(std::move(acceptor), latency));
    impl_->thread = std::thread([this] { impl_->context.run(); });
    pthread_getcpuclockid(impl_->thread.native_handle(), &impl_->clock);
}

server::~server()
{
    impl_->context.stop();
    impl_->thread.join();
}

std::uint16_t server::port() const noexcept { return impl_->port; }

double server::cpu_seconds() const noexcept
{
    timespec t{};
    clock_gettime(impl_->clock, &t);
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

} // namespace measure
