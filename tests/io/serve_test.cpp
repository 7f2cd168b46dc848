#include "echo_service.hpp"

#include <asio/local/stream_protocol.hpp>
#include <doctest/doctest.h>

#include <atomic>
#include <cstdio>
#include <memory>
#include <thread>

#include <unistd.h>

using namespace tandem;
using namespace tandem::test;
using namespace std::chrono_literals;

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

TEST_CASE("sockets have an executor of the acceptor's type")
{
    using executor = asio::thread_pool::executor_type;
    using socket = asio::basic_stream_socket<tcp, executor>;
    thread_pool pool{2};
    asio::basic_socket_acceptor<tcp, executor> acceptor(pool.context(), tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    const auto address = acceptor.local_endpoint();
    auto serving = co_spawn(pool, serve(acceptor, echo<socket>));
    {
        client c(address);
        c.send("hello");
        CHECK(c.receive(5) == "hello");
    }
    serving.cancel();
    serving.get();
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

TEST_CASE("two servers may have their counters in common, and each waits for its own connections")
{
    thread_pool pool{2};
    tcp::acceptor one{pool.context(), tcp::endpoint{asio::ip::address_v4::loopback(), 0}};
    tcp::acceptor other{pool.context(), tcp::endpoint{asio::ip::address_v4::loopback(), 0}};
    serve_counters counters;
    auto first = co_spawn(pool, serve(one, echo<tcp::socket>, {.drain = 1h}, &counters));
    auto second = co_spawn(pool, serve(other, echo<tcp::socket>, {.drain = 1h}, &counters));
    client a(one.local_endpoint());
    client b(other.local_endpoint());
    a.send("a");
    b.send("b");
    CHECK(a.receive(1) == "a");
    CHECK(b.receive(1) == "b");
    CHECK(counters.open == 2);
    first.cancel();
    a.socket.close();
    first.get(); // b is still there
    CHECK(counters.open == 1);
    b.socket.close();
    second.cancel();
    second.get();
    CHECK(counters.open == 0);
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
