#include "echo_service.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <new>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

using namespace tandem;
using namespace tandem::test;
using namespace std::chrono_literals;

TEST_CASE("an acceptor that does not listen is an error, and one that somebody closes is an end")
{
    thread_pool pool{1}; // so that the acceptor is used by one thread at a time
    tcp::acceptor deaf{pool.context(), tcp::v4()};
    CHECK_THROWS_AS(sync_wait(pool, serve(deaf, echo<tcp::socket>)), asio::system_error);

    tcp::acceptor acceptor{pool.context(), tcp::endpoint{asio::ip::address_v4::loopback(), 0}};
    auto serving = co_spawn(pool, serve(acceptor, echo<tcp::socket>));
    pool.apply([&] { acceptor.close(); });
    serving.get();
}

namespace {

/// Has no memory for the first few connections, before and after they have come.
struct short_of_memory {
    using protocol_type = tcp;
    task<tcp::socket> async_accept(use_task_t)
    {
        const int attempt = ++attempts;
        if (attempt == 1 || attempt == 3)
            throw std::bad_alloc();
        auto accepted = acceptor.async_accept(use_task);
        tcp::socket s = co_await std::move(accepted);
        if (attempt == 2)
            throw std::bad_alloc();
        co_return s;
    }
    void close(asio::error_code& e) { acceptor.close(e); }
    tcp::acceptor acceptor;
    int attempts = 0;
};

} // namespace

TEST_CASE("it survives that there is no memory for a connection")
{
    thread_pool pool{2};
    short_of_memory acceptor{tcp::acceptor{pool.context(), tcp::endpoint{asio::ip::address_v4::loopback(), 0}}};
    const tcp::endpoint address = acceptor.acceptor.local_endpoint();
    serve_counters counters;
    std::atomic<int> told{0};
    serve_options options{.max_connections = 1};
    options.on_error = [&](const std::exception_ptr&) { ++told; };
    auto serving = co_spawn(pool, serve(acceptor, echo<tcp::socket>, options, &counters));
    {
        client first(address);
        CHECK(first.closed());
    }
    client second(address);
    second.send("b");
    CHECK(second.receive(1) == "b");
    CHECK(counters.accept_errors == 3);
    CHECK(told == 1); // they are all of one shortage
    CHECK(counters.open == 1);
    second.socket.close();
    serving.cancel();
    serving.get();
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
