#include "../fetch.hpp"
#include "http_connection.hpp"

#include <tandem/io/serve.hpp>
#include <tandem/tandem.hpp>

#include <asio/thread_pool.hpp>
#include <doctest/doctest.h>
#include <fmt/core.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <functional>
#include <ranges>
#include <string>

using asio::ip::tcp;
using crawl::fetch_error;
using crawl::fetch_options;
using crawl::fetcher;
using crawl::response;
using tandem::task;
using namespace std::chrono_literals;

namespace {

/// A server on loopback, and what it has seen. It answers with the path, but some paths are special.
struct site {
    task<> operator()(tcp::socket socket)
    {
        ++connections;
        http_connection c(std::move(socket));
        while (auto target = co_await c.read_request()) {
            if (*target == "/never") {
                asked.set();
                if (!co_await c.read_request()) // which does not come
                    left.set();
                co_return;
            }
            if (*target == "/afterwards")
                co_await left.wait();
            const bool later = target->starts_with("/later/");
            std::string headers = later ? "Retry-After: " + target->substr(7) + "\r\n" : "";
            std::replace(headers.begin(), headers.end(), '_', ' ');
            co_await c.send(later ? 503 : 200, "text/plain", *target, headers);
        }
    }

    /// Serves as long as `client` runs.
    void serve_while(task<> client)
    {
        tandem::serve_options options{.drain = 0s};
        options.on_error = [](const std::exception_ptr&) {}; // clients that leave in the middle
        auto serving = tandem::serve(acceptor, std::ref(*this), options);
        tandem::sync_wait(pool, tandem::race(std::move(serving), std::move(client)));
    }
    [[nodiscard]] task<response> get(fetcher& f, const std::string& path) const
    {
        crawl::request wanted;
        wanted.url = fmt::format("http://127.0.0.1:{}{}", port, path);
        return f.fetch(std::move(wanted));
    }

    tandem::thread_pool pool{2};
    tcp::acceptor acceptor{pool.context(), tcp::endpoint(asio::ip::address_v4::loopback(), 0)};
    const unsigned short port = acceptor.local_endpoint().port();
    tandem::event asked; // "/never" was
    tandem::event left;  // and whoever asked has closed the connection
    std::atomic<int> connections{0};
};

} // namespace

TEST_CASE("fetch: a cancelled transfer is taken out and its connection closed; the others go on")
{
    site s;
    fetcher f(s.pool.context(), {});
    const auto never = [&]() -> task<> {
        auto either = tandem::race(s.get(f, "/never"), s.asked.wait());
        const auto first = co_await std::move(either);
        CHECK(first.index() == 1);
    };
    const auto client = [&]() -> task<> {
        // The answer to the first and the last comes when the other is over; whichever begins, nobody waits for its connection.
        auto all = tandem::when_all(s.get(f, "/afterwards"), never(), s.get(f, "/afterwards"));
        const auto [one, nothing, other] = co_await std::move(all);
        CHECK(one.content.view() == "/afterwards");
        CHECK(other.content.view() == "/afterwards");
        const response next = co_await s.get(f, "/next");
        CHECK(next.content.view() == "/next");
    };
    s.serve_while(client());
}

TEST_CASE("fetch: cancelled at any moment, it ends once")
{
    site s;
    fetcher f(s.pool.context(), {});
    std::atomic<int> done{0};
    std::atomic<int> cancelled{0};
    const auto one = [&](int i) -> task<> {
        try {
            auto soon = tandem::with_timeout(s.get(f, "/x"), std::chrono::microseconds(i * 10));
            const response got = co_await std::move(soon);
            CHECK(got.content.view() == "/x");
            ++done;
        }
        catch (const tandem::timeout_error&) {
            ++cancelled;
        }
    };
    const auto client = [&]() -> task<> {
        const tandem::map_limits limits{.concurrency = 16};
        auto all = tandem::map(std::views::iota(0, 500), one, limits);
        co_await std::move(all);
    };
    s.serve_while(client());
    CHECK(done + cancelled == 500);
}

TEST_CASE("fetch: connections are used again, and there are no more than allowed")
{
    site s;
    const auto one = [&s](fetcher& f) -> task<> {
        const response got = co_await s.get(f, "/x");
        CHECK(got.status == 200);
    };
    const auto client = [&]() -> task<> {
        fetcher alone(s.pool.context(), {});
        for (int i = 0; i < 20; ++i)
            co_await one(alone);
        CHECK(s.connections == 1);
        fetcher two(s.pool.context(), fetch_options{.per_host = 2});
        const auto with_two = [&](int) { return one(two); };
        const tandem::map_limits limits{.concurrency = 16};
        auto all = tandem::map(std::views::iota(0, 100), with_two, limits);
        co_await std::move(all);
        CHECK(s.connections <= 3);
    };
    s.serve_while(client());
}

TEST_CASE("fetch: who does not answer, or is not there, may be asked again")
{
    site s;
    const auto error_of = [&s](fetcher& f) -> task<std::string> {
        try {
            const response got = co_await s.get(f, "/never");
            co_return "none";
        }
        catch (const fetch_error& e) {
            CHECK(e.transient);
            co_return e.what();
        }
    };
    fetcher hasty(s.pool.context(), fetch_options{.timeout = 200ms});
    const auto client = [&]() -> task<> {
        const std::string error = co_await error_of(hasty);
        CHECK_MESSAGE(error.find("timed out") != std::string::npos, error);
        co_await s.left.wait(); // the connection is closed
    };
    s.serve_while(client());
    s.acceptor.close();
    fetcher f(s.pool.context(), {});
    CHECK_THROWS_AS(tandem::sync_wait(s.pool, s.get(f, "/x")), fetch_error);
}

TEST_CASE("fetch: Retry-After as seconds or as a date, and nonsense")
{
    site s;
    fetcher f(s.pool.context(), {});
    const auto client = [&]() -> task<> {
        const response seconds = co_await s.get(f, "/later/7");
        CHECK(seconds.status == 503);
        CHECK(seconds.retry_after == 7s);
        const response past = co_await s.get(f, "/later/Sun,_06_Nov_1994_08:49:37_GMT");
        CHECK(past.retry_after == 0s);
        const response future = co_await s.get(f, "/later/Fri,_01_Jan_2100_00:00:00_GMT");
        CHECK(future.retry_after == 24h);
        const response soon = co_await s.get(f, "/later/soon");
        CHECK(!soon.retry_after);
        const response far = co_await s.get(f, "/later/99999999999999");
        CHECK(far.retry_after == 24h);
        const response negative = co_await s.get(f, "/later/-5");
        CHECK(negative.retry_after == 0s);
        const response none = co_await s.get(f, "/x");
        CHECK(!none.retry_after);
    };
    s.serve_while(client());
}
