#include "loopback.hpp"
#include "support/threads.hpp"

#include <tandem/combine/race.hpp>
#include <tandem/combine/when_all.hpp>
#include <tandem/combine/with_timeout.hpp>
#include <tandem/io/co_spawn.hpp>
#include <tandem/io/stream.hpp>
#include <tandem/pool/thread_pool.hpp>
#include <tandem/sync/sleep.hpp>
#include <tandem/task/sync_wait.hpp>

#include <asio/buffer.hpp>
#include <asio/error.hpp>
#include <asio/io_context.hpp>
#include <asio/local/connect_pair.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/system_error.hpp>

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <unistd.h>

using namespace tandem;
using namespace tandem::test;
using namespace std::chrono_literals;

namespace {

task<> echo(tcp::socket s)
{
    std::array<char, 64> data{};
    for (;;) {
        const std::size_t n = co_await tandem::read_some(s, asio::buffer(data));
        co_await tandem::write(s, asio::buffer(data, n));
    }
}

/// Reads `n` bytes.
template <class Stream>
task<std::string> read_all_of(Stream& s, std::size_t n)
{
    std::string text(n, '\0');
    for (std::size_t done = 0; done < n;)
        done += co_await tandem::read_some(s, asio::buffer(text) + done);
    co_return text;
}

/// `rounds` questions, each answered with itself.
task<int> ask(tcp::socket s, int rounds)
{
    int answered = 0;
    for (int k = 0; k < rounds; ++k) {
        const std::string question = "number " + std::to_string(k) + std::string(static_cast<std::size_t>(k % 7), '.');
        co_await tandem::write(s, asio::buffer(question));
        const std::string answer = co_await read_all_of(s, question.size());
        answered += answer == question;
    }
    co_return answered;
}

/// Questions and answers over many connections, all on `pool`.
struct conversation {
    conversation(thread_pool& pool, int connections, int rounds = 1'000'000)
    {
        for (int k = 0; k < connections; ++k) {
            auto [client, server] = connected_pair(pool.context().get_executor());
            servers.push_back(co_spawn(pool, echo(std::move(server))));
            clients.push_back(co_spawn(pool, ask(std::move(client), rounds)));
        }
    }
    void cancel_servers() // the clients find the end of the stream, or a reset
    {
        for (auto& s : servers)
            s.cancel();
    }
    void check_cut_off()
    {
        for (auto& s : servers)
            CHECK_THROWS_AS(s.get(), std::system_error);
        for (auto& c : clients)
            CHECK_THROWS_AS(c.get(), std::system_error);
    }

    std::vector<async_result<void>> servers;
    std::vector<async_result<int>> clients;
};

/// Returns when all have been answered.
void converse(thread_pool& pool, int connections, int rounds)
{
    conversation c(pool, connections, rounds);
    for (auto& client : c.clients)
        CHECK(client.get() == rounds);
    for (auto& server : c.servers)
        CHECK_THROWS_AS(server.get(), asio::system_error); // the end of the stream
}

std::error_code error_of(thread_pool& pool, task<std::size_t> t)
{
    try {
        sync_wait(pool, std::move(t));
    }
    catch (const std::system_error& e) {
        return e.code();
    }
    return {};
}

template <class Stream>
task<std::size_t> read_one(Stream& s)
{
    char c = 0;
    co_return co_await tandem::read_some(s, asio::buffer(&c, 1));
}

/// More than the system keeps for a connection.
std::string much(std::size_t megabytes = 16)
{
    std::string text(megabytes << 20, ' ');
    for (std::size_t k = 0; k < text.size(); ++k)
        text[k] = static_cast<char>('a' + k * 7 % 26);
    return text;
}

} // namespace

TEST_CASE("many connections on pools of several sizes")
{
    for (const std::size_t threads : {1, 2, 4}) {
        CAPTURE(threads);
        thread_pool pool{threads};
        converse(pool, 1, scaled(500, 200, 100)); // where looks do not pay
        converse(pool, 64, scaled(200, 60, 30));  // where they do
    }
}

TEST_CASE("reads and writes on an io_context")
{
    asio::io_context io;
    auto [client, server] = connected_pair(io.get_executor());
    auto serving = co_spawn(io, echo(std::move(server)));
    auto asking = co_spawn(io, ask(std::move(client), 50));
    io.run();
    CHECK(asking.get() == 50);
    CHECK_THROWS_AS(serving.get(), asio::system_error);
}

TEST_CASE("other streams: a pipe, a Unix socket")
{
    thread_pool pool{2};
    std::array<int, 2> ends{};
    REQUIRE(pipe(ends.data()) == 0);
    asio::posix::stream_descriptor out(pool.get_executor(), ends[0]);
    asio::posix::stream_descriptor in(pool.get_executor(), ends[1]);
    asio::local::stream_protocol::socket left(pool.get_executor());
    asio::local::stream_protocol::socket right(pool.get_executor());
    asio::local::connect_pair(left, right);
    const auto send = [](auto& s) -> task<std::size_t> { co_return co_await tandem::write(s, asio::buffer("hello", 5)); };
    auto through_pipe = sync_wait(pool, when_all(send(in), read_all_of(out, 5)));
    CHECK(through_pipe == std::tuple(5, "hello"));
    auto through_socket = sync_wait(pool, when_all(send(left), read_all_of(right, 5)));
    CHECK(through_socket == std::tuple(5, "hello"));
}

TEST_CASE("a write that does not fit waits for the reader")
{
    thread_pool pool{2};
    const std::string text = much();
    auto [a, b] = connected_pair(pool.get_executor());

    const auto whole = [](tcp::socket& s, const std::string& t) -> task<std::size_t> {
        co_return co_await tandem::write(s, asio::buffer(t));
    };
    auto [written, read] = sync_wait(pool, when_all(whole(a, text), read_all_of(b, text.size())));
    CHECK(written == text.size());
    CHECK((read == text)); // not the texts, when it fails

    // More pieces than a system call is given, some of them empty.
    const auto pieces = [](tcp::socket& s, const std::string& t) -> task<std::size_t> {
        std::vector<asio::const_buffer> parts;
        for (std::size_t at = 0; at < t.size(); at += 1'000'003) {
            parts.push_back(asio::buffer(asio::buffer(t) + at, 1'000'003));
            parts.emplace_back();
        }
        co_return co_await tandem::write(s, parts);
    };
    auto [written_too, read_too] = sync_wait(pool, when_all(pieces(a, text), read_all_of(b, text.size())));
    CHECK(written_too == text.size());
    CHECK((read_too == text));
}

TEST_CASE("a read into several buffers")
{
    thread_pool pool{1};
    auto [a, b] = connected_pair(pool.get_executor());
    const auto exchange = [](tcp::socket& from, tcp::socket& to) -> task<std::string> {
        co_await tandem::write(from, asio::buffer("abcdef", 6));
        std::string first(2, '-');
        std::string second(8, '-');
        const std::array<asio::mutable_buffer, 3> into{asio::buffer(first), asio::mutable_buffer(), asio::buffer(second)};
        const std::size_t n = co_await tandem::read_some(to, into);
        co_return std::to_string(n) + first + second;
    };
    for (int k = 0; k < 100; ++k) // by itself and by Asio
        REQUIRE(sync_wait(pool, exchange(a, b)) == "6abcdef----");
}

TEST_CASE("no bytes at all are read and written at once")
{
    thread_pool pool{1};
    auto pair = connected_pair(pool.get_executor());
    const auto nothing = [](tcp::socket& s) -> task<std::size_t> {
        const std::size_t written = co_await tandem::write(s, asio::const_buffer());
        co_return written + co_await tandem::read_some(s, asio::mutable_buffer());
    };
    CHECK(sync_wait(pool, nothing(pair.first)) == 0);
}

TEST_CASE("errors are those of Asio's operations")
{
    thread_pool pool{2};
    const auto write_until_it_fails = [](tcp::socket& s) -> task<std::size_t> {
        for (;;)
            co_await tandem::write(s, asio::buffer("x", 1));
    };
    {
        auto [a, b] = connected_pair(pool.get_executor());
        b.close();
        CHECK(error_of(pool, read_one(a)) == asio::error::eof);
        const std::error_code broken = error_of(pool, write_until_it_fails(a));
        CHECK((broken == asio::error::broken_pipe || broken == asio::error::connection_reset));
        a.close();
        CHECK(error_of(pool, read_one(a)) == asio::error::bad_descriptor);
        CHECK(error_of(pool, write_until_it_fails(a)) == asio::error::bad_descriptor);
    }
    asio::io_context io; // the same where all is left to Asio
    auto [a, b] = connected_pair(io.get_executor());
    b.close();
    auto reading = co_spawn(io, read_one(a));
    io.run();
    CHECK_THROWS_AS(reading.get(), asio::system_error);
}

TEST_CASE("a stop request ends a read and a write, before they begin and while they wait")
{
    thread_pool pool{2};
    auto [a, b] = connected_pair(pool.get_executor());
    const auto fill = [](tcp::socket& s) -> task<std::size_t> {
        const std::string text = much();
        co_return co_await tandem::write(s, asio::buffer(text));
    };
    CHECK_THROWS_AS(sync_wait(pool, with_timeout(read_one(a), 2ms)), timeout_error);
    CHECK_THROWS_AS(sync_wait(pool, with_timeout(fill(a), 20ms)), timeout_error);

    // What is there is not read, and what there is room for is not written, by a task that is to end.
    const auto late = [](tcp::socket& s, bool reads) -> task<std::size_t> {
        try {
            co_await sleep_for(1h);
        }
        catch (const operation_cancelled&) {
        }
        char c = 'x';
        if (reads)
            co_return co_await tandem::read_some(s, asio::buffer(&c, 1));
        co_return co_await tandem::write(s, asio::buffer(&c, 1));
    };
    for (const bool reads : {true, false}) {
        auto r = co_spawn(pool, late(b, reads));
        r.cancel();
        CHECK_THROWS_AS(r.get(), operation_cancelled);
    }
}

TEST_CASE("connections stopped at any moment")
{
    for (const std::size_t threads : {1, 2, 4}) {
        CAPTURE(threads);
        thread_pool pool{threads};
        jitter j(static_cast<unsigned>(threads));
        for (int round = 0; round < scaled(60, 20, 10); ++round) {
            conversation talk(pool, 16);
            j.spin(2'000'000);
            talk.cancel_servers();
            talk.check_cut_off();
        }
    }
}

TEST_CASE("a pool is terminated while its connections take turns")
{
    for (int round = 0; round < scaled(100, 30, 15); ++round) {
        thread_pool pool{static_cast<std::size_t>(1 + round % 3)};
        conversation talk(pool, 8);
        std::this_thread::sleep_for(std::chrono::microseconds(37 * round));
        pool.terminate();
        talk.check_cut_off();
    }
}

TEST_CASE("one that writes without end leaves others their turn")
{
    thread_pool pool{1};
    auto [a, b] = connected_pair(pool.get_executor());
    std::atomic<bool> stop{false};
    std::thread reader([&, s = std::move(b)]() mutable { // as fast as it comes
        std::array<char, 65536> data{};
        asio::error_code ec;
        while (!ec)
            s.read_some(asio::buffer(data), ec);
    });
    auto writer = co_spawn(pool, [](tcp::socket s, std::atomic<bool>& until) -> task<long> {
        long n = 0;
        for (; !until; ++n)
            co_await tandem::write(s, asio::buffer("x", 1));
        co_return n;
    }(std::move(a), stop));
    for (int k = 0; k < 20; ++k)
        sync_wait(pool, sleep_for(100us));
    CHECK(pool.apply([] { return 3; }) == 3);
    stop = true;
    CHECK(writer.get() > 0);
    reader.join();
}

TEST_CASE("a task that blocks its thread in its turn does not keep the others from theirs")
{
    // Two threads, of which one stays out of Asio as long as there is much I/O; that one has to see it.
    thread_pool pool{2};
    conversation traffic(pool, 8);
    std::atomic<int> released{0};
    auto [a, b] = connected_pair(pool.get_executor());
    auto [c, d] = connected_pair(pool.get_executor());
    const int rounds = scaled(50, 20, 10);
    // Both are sent a byte in every round, and either waits in its step until the other has had it.
    const auto wait_for_other = [](tcp::socket s, std::atomic<int>& count, int n) -> task<> {
        for (int k = 1; k <= n; ++k) {
            co_await read_one(s);
            ++count;
            while (count.load() < 2 * k)
                std::this_thread::yield();
            co_await tandem::write(s, asio::buffer("x", 1));
        }
    };
    auto left = co_spawn(pool, wait_for_other(std::move(a), released, rounds));
    auto right = co_spawn(pool, wait_for_other(std::move(c), released, rounds));
    for (int k = 0; k < rounds; ++k) {
        char answer = 0;
        b.write_some(asio::buffer("x", 1));
        d.write_some(asio::buffer("x", 1));
        b.read_some(asio::buffer(&answer, 1));
        d.read_some(asio::buffer(&answer, 1));
    }
    left.get();
    right.get();
    traffic.cancel_servers();
    traffic.check_cut_off();
}
