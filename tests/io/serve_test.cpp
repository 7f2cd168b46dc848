#include "support/threads.hpp"

#include <tandem/combine/with_timeout.hpp>
#include <tandem/io/serve.hpp>
#include <tandem/io/use_task.hpp>
#include <tandem/pool/co_spawn.hpp>
#include <tandem/sync/sleep.hpp>

#include <asio/ip/tcp.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/read.hpp>
#include <asio/thread_pool.hpp>
#include <asio/write.hpp>
#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <exception>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

using namespace tandem;
using namespace tandem::test;
using namespace std::chrono_literals;
using asio::ip::tcp;

namespace {

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
            co_await sleep_for(1h);
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

} // namespace

TEST_CASE("it serves many at once, and ends when it is asked to stop")
{
    server s;
    std::vector<std::unique_ptr<client>> clients;
    for (int k = 0; k < 20; ++k)
        clients.push_back(std::make_unique<client>(s.address));
    for (auto& c : clients)
        c->send("hello");
    for (auto& c : clients)
        CHECK(c->receive(5) == "hello");
    CHECK(s.counters.open == 20);
    clients.clear();
    s.serving.cancel();
    s.serving.get();
    CHECK(s.counters.accepted == 20);
    CHECK(s.counters.open == 0);
    CHECK(s.counters.cancelled == 0);
    CHECK(s.seen().empty()); // that a client leaves is no error
}

TEST_CASE("what a handler throws ends its connection only, and is told")
{
    server s;
    client good(s.address);
    client bad(s.address);
    bad.send("fail");
    CHECK(bad.closed());
    good.send("on");
    CHECK(good.receive(2) == "on");
    CHECK(eventually([&] { return s.seen() == std::vector<std::string>{"the handler failed"}; })); // its socket closes before that
    CHECK(s.counters.failed == 1);
    s.serving.cancel();
    good.socket.close();
    s.serving.get();
}

TEST_CASE("no more connections than were said; the next gets in when one has gone")
{
    server s({.max_connections = 2});
    client a(s.address);
    client b(s.address);
    a.send("a");
    b.send("b");
    CHECK(a.receive(1) == "a");
    CHECK(b.receive(1) == "b");
    client c(s.address); // in the kernel's queue
    c.send("c");
    CHECK(s.counters.open == 2);
    a.socket.close();
    CHECK(c.receive(1) == "c");
    CHECK(s.counters.accepted == 3);
}

TEST_CASE("after a stop request nobody new gets in, those who are in may finish within the drain time, and the rest is cancelled")
{
    server s({.drain = 1h});
    client polite(s.address);
    polite.send("x");
    CHECK(polite.receive(1) == "x");
    s.serving.cancel();
    CHECK(eventually([&] {
        asio::io_context io;
        tcp::socket late(io);
        asio::error_code e;
        late.connect(s.address, e);
        return e == asio::error::connection_refused;
    }));
    polite.send("y"); // still served
    CHECK(polite.receive(1) == "y");
    CHECK_FALSE(s.serving.ready());
    polite.socket.close();
    s.serving.get();
    CHECK(s.counters.cancelled == 0);

    server t({.drain = 20ms});
    client stubborn(t.address);
    stubborn.send("hold");
    client idle(t.address);
    idle.send("z");
    CHECK(idle.receive(1) == "z");
    CHECK(eventually([&] { return t.counters.open == 2; }));
    t.serving.cancel();
    t.serving.get();
    CHECK(t.counters.cancelled == 2);
    CHECK(t.counters.open == 0);
    CHECK(stubborn.closed());
    CHECK(idle.closed());
    CHECK(t.seen().empty());
}

TEST_CASE("terminate ends it at once with all its connections")
{
    server s;
    client a(s.address);
    a.send("hold");
    CHECK(eventually([&] { return s.counters.open == 1; }));
    s.pool.terminate();
    s.serving.wait();
    CHECK(a.closed());
}

TEST_CASE("options out of range are refused")
{
    thread_pool pool{1};
    tcp::acceptor acceptor{pool.context(), tcp::endpoint{asio::ip::address_v4::loopback(), 0}};
    CHECK_THROWS_WITH_AS(sync_wait(pool, serve(acceptor, echo<tcp::socket>, {.max_connections = 0})),
        "serve: max_connections must be at least 1, not 0", std::invalid_argument);
}

TEST_CASE("it survives that the process runs out of descriptors")
{
    server s;
    client first(s.address);
    first.send("a");
    CHECK(first.receive(1) == "a");
    std::vector<int> taken;
    client second(s.address); // and no descriptor is left for the server's end
    rlimit before{};
    REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
    CHECK(eventually([&] { return s.counters.open == 2; }));
    rlimit few = before;
    few.rlim_cur = 256;
    REQUIRE(setrlimit(RLIMIT_NOFILE, &few) == 0);
    asio::io_context io;
    tcp::socket third(io, tcp::v4());
    for (int fd; (fd = open("/dev/null", O_RDONLY)) >= 0;)
        taken.push_back(fd);
    third.connect(s.address);
    CHECK(eventually([&] { return s.counters.accept_errors > 0; }));
    for (const int fd : taken)
        close(fd);
    asio::write(third, asio::buffer("b", 1));
    char answer = 0;
    asio::read(third, asio::buffer(&answer, 1));
    CHECK(answer == 'b');
    setrlimit(RLIMIT_NOFILE, &before);
    CHECK(s.seen().size() == 1);
}

TEST_CASE("Unix sockets")
{
    using unix_stream = asio::local::stream_protocol;
    thread_pool pool{2};
    const std::string path = "/tmp/tandem-serve-test-" + std::to_string(getpid());
    std::remove(path.c_str());
    unix_stream::acceptor acceptor{pool.context(), unix_stream::endpoint(path)};
    auto serving = co_spawn(pool, serve(acceptor, echo<unix_stream::socket>));
    {
        asio::io_context io;
        unix_stream::socket socket(io);
        socket.connect(unix_stream::endpoint(path));
        asio::write(socket, asio::buffer("local", 5));
        std::string answer(5, '\0');
        asio::read(socket, asio::buffer(answer));
        CHECK(answer == "local");
    }
    serving.cancel();
    serving.get();
    std::remove(path.c_str());
}

TEST_CASE("many clients that come and go while it is stopped: each is answered or refused, and nothing stays open")
{
    for (int round = 0; round < scaled(20, 8, 5); ++round) {
        server s({.drain = 5ms}, 4);
        std::atomic<bool> stop{false};
        std::atomic<int> answered{0};
        std::vector<std::thread> clients;
        for (int k = 0; k < 3; ++k)
            clients.emplace_back([&] {
                while (!stop) {
                    try {
                        client c(s.address);
                        c.send("ping");
                        if (c.receive(4) == "ping")
                            ++answered;
                    }
                    catch (const asio::system_error&) {
                        break; // refused, or cut off
                    }
                }
            });
        CHECK(eventually([&] { return answered > 20; }));
        s.serving.cancel();
        s.serving.get();
        CHECK(s.counters.open == 0);
        stop = true;
        for (std::thread& t : clients)
            t.join();
        CHECK(s.counters.accepted >= 20);
    }
}
