#include "as_tuple.hpp"
#include "loopback.hpp"

#include <tandem/io/sleep.hpp>
#include <tandem/io/use_task.hpp>
#include <tandem/tandem.hpp>

#include <asio/buffer.hpp>
#include <asio/post.hpp>
#include <asio/read.hpp>
#include <asio/read_until.hpp>
#include <asio/steady_timer.hpp>
#include <asio/write.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

using namespace tandem;
using namespace tandem::test;
using namespace std::chrono_literals;

namespace {

/// An operation of our own making: calls its handler with what it is told to, at once or after a post.
template <class Signature, class Token, class... Values>
auto complete_with(const asio::any_io_executor& ex, bool at_once, Token&& token, Values... values)
{
    return asio::async_initiate<Token, Signature>(
        [ex, at_once](auto handler, auto... v) {
            if (at_once)
                std::move(handler)(std::move(v)...);
            else
                asio::post(ex, [h = std::move(handler), ... v = std::move(v)]() mutable { std::move(h)(std::move(v)...); });
        },
        token, std::move(values)...);
}

template <class Token>
auto never_begins(Token&& token)
{
    return asio::async_initiate<Token, void()>([](auto) { throw std::runtime_error("not today"); }, token);
}

task<std::size_t> echo_once(tcp::socket& s)
{
    std::array<char, 64> data{};
    const std::size_t n = co_await s.async_read_some(asio::buffer(data), use_task);
    co_return co_await asio::async_write(s, asio::buffer(data, n), use_task);
}

task<std::string> ask(tcp::socket& s, std::string question)
{
    co_await asio::async_write(s, asio::buffer(question), use_task);
    std::string answer(question.size(), '\0');
    co_await asio::async_read(s, asio::buffer(answer), use_task);
    co_return answer;
}

task<void> serve(tcp::acceptor& acceptor, int connections)
{
    std::vector<task<void>> sessions;
    for (int i = 0; i < connections; ++i) {
        tcp::socket s = co_await acceptor.async_accept(use_task);
        sessions.push_back([](tcp::socket socket) -> task<void> {
            for (;;)
                try {
                    co_await echo_once(socket);
                }
                catch (const asio::system_error&) {
                    co_return; // the client has gone
                }
        }(std::move(s)));
    }
    co_await when_all(std::move(sessions));
}

task<int> client(tcp::endpoint where, int rounds)
{
    tcp::socket s(co_await this_task::executor());
    co_await s.async_connect(where, use_task);
    int right = 0;
    for (int i = 0; i < rounds; ++i) {
        const std::string question = "question " + std::to_string(i);
        right += co_await ask(s, question) == question;
    }
    co_return right;
}

task<int> serve_and_ask(int clients, int rounds)
{
    tcp::acceptor acceptor = listen_on_loopback(co_await this_task::executor());
    std::vector<task<int>> all;
    for (int i = 0; i < clients; ++i)
        all.push_back(client(acceptor.local_endpoint(), rounds));
    auto both = when_all(serve(acceptor, clients), when_all(std::move(all)));
    const auto [served, right] = co_await std::move(both);
    int sum = 0;
    for (int r : right)
        sum += r;
    co_return sum;
}

} // namespace

TEST_CASE("use_task gives what the handler gets")
{
    thread_pool pool{2};
    const auto ex = pool.get_executor();
    for (const bool at_once : {true, false}) {
        CAPTURE(at_once);
        const auto all = [&]() -> task<void> {
            co_await complete_with<void()>(ex, at_once, use_task);
            const int one = co_await complete_with<void(int)>(ex, at_once, use_task, 7);
            CHECK(one == 7);
            const std::tuple<int, std::string> two =
                co_await complete_with<void(int, std::string)>(ex, at_once, use_task, 7, std::string("x"));
            CHECK(two == std::tuple(7, std::string("x")));
            co_await complete_with<void(asio::error_code)>(ex, at_once, use_task, asio::error_code());
            auto moved = co_await complete_with<void(std::exception_ptr, std::unique_ptr<int>)>(
                ex, at_once, use_task, std::exception_ptr(), std::make_unique<int>(8));
            CHECK(*moved == 8);
            const std::tuple<int, int> rest =
                co_await complete_with<void(asio::error_code, int, int)>(ex, at_once, use_task, asio::error_code(), 1, 2);
            CHECK(rest == std::tuple(1, 2));
        };
        sync_wait(pool, all);
    }
}

TEST_CASE("use_task throws an error code as asio::system_error, and an exception as it was thrown")
{
    thread_pool pool{2};
    const auto ex = pool.get_executor();
    const auto code = [&]() -> task<int> {
        co_return co_await complete_with<void(asio::error_code, int)>(
            ex, false, use_task, asio::error_code(asio::error::connection_refused), 0);
    };
    try {
        sync_wait(pool, code);
        FAIL("nothing was thrown");
    }
    catch (const asio::system_error& e) {
        CHECK(e.code() == asio::error::connection_refused);
    }
    const auto exception = [&]() -> task<void> {
        co_await complete_with<void(std::exception_ptr)>(ex, false, use_task, std::make_exception_ptr(std::out_of_range("far")));
    };
    CHECK_THROWS_WITH_AS(sync_wait(pool, exception), "far", std::out_of_range);
}

TEST_CASE("as_tuple(use_task) gives error codes as values")
{
    thread_pool pool{2};
    const auto refused = [&]() -> task<asio::error_code> {
        tcp::socket s(pool.get_executor());
        tcp::endpoint nobody;
        {
            const tcp::acceptor gone = listen_on_loopback(pool.get_executor());
            nobody = gone.local_endpoint();
        }
        const auto [ec] = co_await s.async_connect(nobody, as_tuple(use_task));
        co_return ec;
    };
    CHECK(sync_wait(pool, refused) == asio::error::connection_refused);
}

TEST_CASE("an initiation that throws throws out of the co_await")
{
    const auto broken = []() -> task<void> { co_await never_begins(use_task); };
    CHECK_THROWS_WITH_AS(sync_wait(broken()), "not today", std::runtime_error);
}

TEST_CASE("an initiation that has a name")
{
    thread_pool pool{1};
    const auto initiate = [](auto handler, int n) { std::move(handler)(n + 1); };
    const auto add_one = [&](int n) -> task<int> {
        // the operation copies it: it is const, and used again
        co_return co_await asio::async_initiate<const use_task_t, void(int)>(initiate, use_task, n);
    };
    CHECK(sync_wait(pool, add_one(1)) == 2);
    CHECK(sync_wait(pool, add_one(2)) == 3);
}

TEST_CASE("sockets, composed operations and many connections, on pools and on an io_context's own thread")
{
    for (const std::size_t threads : {1u, 2u, 4u}) {
        CAPTURE(threads);
        thread_pool pool{threads};
        CHECK(sync_wait(pool, serve_and_ask(16, 50)) == 16 * 50);
    }
    // Inside plain sync_wait the sockets are on Asio's system_executor, and the task on this thread.
    CHECK(sync_wait(serve_and_ask(4, 20)) == 4 * 20);
}

TEST_CASE("async_read_until, and an end of file in the middle")
{
    thread_pool pool{2};
    const auto lines = [&]() -> task<std::string> {
        auto [a, b] = connected_pair(pool.get_executor());
        co_await asio::async_write(a, asio::buffer(std::string_view("one\ntwo")), use_task);
        a.close();
        std::string data;
        const std::size_t n = co_await asio::async_read_until(b, asio::dynamic_buffer(data), '\n', use_task);
        CHECK(n == 4);
        try {
            for (;;)
                co_await asio::async_read_until(b, asio::dynamic_buffer(data), '\r', use_task);
        }
        catch (const asio::system_error& e) {
            CHECK(e.code() == asio::error::eof);
        }
        co_return data;
    };
    CHECK(sync_wait(pool, lines) == "one\ntwo");
}

TEST_CASE("use_task as the default token of an I/O object")
{
    thread_pool pool{2};
    const auto talk = [&]() -> task<std::string> {
        auto [a, b] = connected_pair(pool.get_executor());
        auto left = use_task_t::as_default_on(std::move(a));
        auto right = use_task_t::as_default_on(std::move(b));
        co_await left.async_write_some(asio::buffer(std::string_view("hello")));
        std::array<char, 16> data{};
        const std::size_t n = co_await right.async_read_some(asio::buffer(data));
        co_return std::string(data.data(), n);
    };
    CHECK(sync_wait(pool, talk) == "hello");
}

TEST_CASE("an acceptor with it as the default token gives sockets that have it too")
{
    thread_pool pool{2};
    auto acceptor = use_task_t::as_default_on(listen_on_loopback(pool.get_executor()));
    const auto answer_one = [](auto& a) -> task<> {
        auto socket = co_await a.async_accept();
        co_await socket.async_write_some(asio::buffer("x", 1));
    };
    const auto ask = [](asio::any_io_executor ex, tcp::endpoint to) -> task<char> {
        auto socket = use_task_t::as_default_on(tcp::socket(ex));
        co_await socket.async_connect(to);
        char c = 0;
        co_await socket.async_read_some(asio::buffer(&c, 1));
        co_return c;
    };
    auto both = when_all(answer_one(acceptor), ask(pool.get_executor(), acceptor.local_endpoint()));
    CHECK(std::get<1>(sync_wait(pool, std::move(both))) == 'x');
}

TEST_CASE("sleeping suspends the task, not the thread")
{
    thread_pool pool{1};
    int now = 0;
    int most = 0;
    const auto nap = [&](int ms) -> task<int> {
        most = std::max(most, ++now);
        co_await sleep_for(std::chrono::milliseconds(ms));
        --now;
        co_return ms;
    };
    const auto start = std::chrono::steady_clock::now();
    const std::vector<int> all = sync_wait(pool, map(std::vector(200, 20), nap));
    CHECK(all.size() == 200);
    CHECK(std::chrono::steady_clock::now() - start >= 20ms);
    CHECK(most > 1);
    sync_wait(pool, sleep_until(std::chrono::steady_clock::now() - 1h));
    sync_wait(pool, sleep_for(-1s));
}
