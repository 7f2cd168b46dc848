// What goes wrong without a death: time limits, initializers, codecs, exceptions, terminate.
#include "support.hpp"

#include <tandem/process/process_pool.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace tandem;
using namespace tandem::test;
using namespace std::chrono_literals;

namespace {

void for_ever()
{
    for (;;)
        ::pause();
}

struct no_std_type {
    int n;
};
struct derived : std::runtime_error {
    using runtime_error::runtime_error;
};

/// Throws on its way, to a worker or from it.
struct fragile {
    enum when { never, encoding, decoding } breaks = never;
};

} // namespace

template <>
struct tandem::codec<fragile> {
    static void encode(encoder& to, const fragile& f)
    {
        if (f.breaks == fragile::encoding)
            throw std::runtime_error("it does not want to leave");
        to.write(&f.breaks, sizeof f.breaks);
    }
    static fragile decode(decoder& from)
    {
        fragile f;
        from.read(&f.breaks, sizeof f.breaks);
        if (f.breaks == fragile::decoding)
            throw std::runtime_error("it does not want to arrive");
        return f;
    }
};

TEST_CASE("a call past its time has its worker killed, and the next one is run")
{
    process_pool pool({.processes = 2, .task_timeout = 2s});
    const auto before = std::chrono::steady_clock::now();
    async_result<void> a = pool.apply_async(for_ever);
    async_result<void> b = pool.apply_async(for_ever);
    async_result<int> c = pool.apply_async(square, args(3));
    CHECK_THROWS_WITH_AS(
        a.get(), doctest::Contains(": it took longer than the pool's task_timeout, and its worker was killed"), timeout_error);
    CHECK_THROWS_AS(b.get(), timeout_error);
    CHECK(c.get() == 9);
    CHECK(std::chrono::steady_clock::now() - before >= 2s);
    CHECK_THROWS_AS(pool.apply(for_ever), timeout_error);
    CHECK_THROWS_AS(pool.map([](int) { for_ever(); }, std::vector{1}), timeout_error);
    CHECK(pool.apply(square, 4) == 16);
    CHECK(test::eventually([&] { return pool.pids().size() == 2; }));
}

TEST_CASE("an initializer runs in every worker, with its arguments")
{
    static int base = 0;
    process_pool pool({.processes = 2,
        .initializer = {[](int b, const std::string& s) { base = b + static_cast<int>(s.size()); }, args(40, "ab")},
        .max_tasks_per_worker = 3});
    for (int i = 0; i < 20; ++i)
        CHECK(pool.apply([](int n) { return base + n; }, i) == 42 + i);
    CHECK(base == 0); // here
    CHECK(process_pool({.processes = 1, .initializer = [] { base = 5; }}).apply([] { return base; }) == 5);
}

TEST_CASE("an initializer that fails breaks the pool once, with its own error")
{
    CHECK_THROWS_WITH_AS(process_pool({.processes = 2, .initializer = [] { throw std::out_of_range("not today"); }}), "not today",
        std::out_of_range);
    CHECK_THROWS_AS(process_pool({.processes = 2, .initializer = [] { ::raise(SIGSEGV); }}), worker_died);
    CHECK_THROWS_AS(process_pool({.processes = 1, .initializer = [] { ::_exit(1); }}), worker_died);
}

TEST_CASE("an initializer that fails later breaks the pool too, and what waits gets its error")
{
    char name[] = "/tmp/tandem-test-XXXXXX";
    ::close(::mkstemp(name));
    {
        process_pool pool({.processes = 1,
            .initializer = {[](const std::string& file) {
                                if (::access(file.c_str(), F_OK) != 0)
                                    throw std::domain_error("the file is gone");
                            },
                args(std::string(name))}});
        CHECK(pool.apply(square, 2) == 4);
        ::unlink(name);
        async_result<int> last = pool.apply_async([]() -> int { ::_exit(1); });
        async_result<int> waiting = pool.apply_async(square, args(3));
        CHECK_THROWS_AS(last.get(), worker_died);
        CHECK_THROWS_WITH_AS(waiting.get(), "the file is gone", std::domain_error);
        CHECK_THROWS_WITH_AS(pool.apply(square, 3), "the file is gone", std::domain_error);
        CHECK_THROWS_AS(pool.map(square, std::vector{1, 2}), std::domain_error);
        CHECK(pool.stats().started == 2);
    }
}

TEST_CASE("exceptions that cannot cross come back by name")
{
    process_pool pool{1};
    try {
        pool.apply([] { throw derived("of my own"); });
        FAIL("nothing was thrown");
    }
    catch (const remote_error& e) {
        CHECK(std::string(e.type_name()).find("derived") != std::string::npos);
        CHECK(std::string(e.text()) == "of my own");
        CHECK(std::string(e.what()).ends_with("derived: of my own"));
        CHECK(e.code() == errc::remote_error);
    }
    try {
        pool.apply([] { throw no_std_type{1}; });
        FAIL("nothing was thrown");
    }
    catch (const remote_error& e) {
        CHECK(std::string(e.type_name()).find("no_std_type") != std::string::npos);
        CHECK(std::string(e.text()).empty());
    }
    CHECK_THROWS_WITH_AS(pool.apply([] { throw 1; }), "int: ", remote_error);
    CHECK(pool.apply(square, 3) == 9);
}

TEST_CASE("the standard's exceptions and Tandem's keep what they carry")
{
    process_pool pool{1};
    CHECK_THROWS_AS(pool.apply([] { throw timeout_error("late: very"); }), timeout_error);
    CHECK_THROWS_AS(pool.apply([] { std::vector<int>().at(1); }), std::out_of_range);
    CHECK_THROWS_AS(pool.apply([] { throw std::bad_cast(); }), std::bad_cast);
    CHECK_THROWS_WITH_AS(pool.apply([] { throw std::system_error(ENOENT, std::system_category(), "opening x"); }),
        "opening x: No such file or directory", std::system_error);
    CHECK_THROWS_WITH_AS(pool.apply([] { return std::filesystem::file_size("/no/such/file"); }),
        "filesystem error: cannot get file size: No such file or directory [/no/such/file]", std::filesystem::filesystem_error);
    try {
        pool.apply([] { throw std::ios_base::failure("stream", std::io_errc::stream); });
        FAIL("nothing was thrown");
    }
    catch (const std::ios_base::failure& e) {
        CHECK(e.code() == std::io_errc::stream);
    }
}

TEST_CASE("a codec that throws, at each of the four places")
{
    process_pool pool{1};
    constexpr auto gives = [](int when) { return fragile{static_cast<fragile::when>(when)}; };
    constexpr auto takes = [](fragile f) { return static_cast<int>(f.breaks); };
    CHECK(pool.apply(takes, fragile{}) == 0);
    CHECK(pool.apply(gives, 0).breaks == fragile::never);
    CHECK_THROWS_WITH_AS(
        pool.apply(takes, fragile{fragile::encoding}), "an argument could not be encoded: it does not want to leave", codec_error);
    CHECK_THROWS_WITH_AS(pool.apply_async(takes, args(fragile{fragile::encoding})).get(),
        "an argument could not be encoded: it does not want to leave", codec_error);
    CHECK_THROWS_WITH_AS(
        pool.apply(takes, fragile{fragile::decoding}), "an argument could not be decoded: it does not want to arrive", codec_error);
    CHECK_THROWS_WITH_AS(
        pool.apply(gives, int{fragile::encoding}), "the result could not be encoded: it does not want to leave", codec_error);
    CHECK_THROWS_WITH_AS(
        pool.apply(gives, int{fragile::decoding}), "the result could not be decoded: it does not want to arrive", codec_error);
    for (const auto when : {fragile::encoding, fragile::decoding}) {
        const std::vector<fragile> items(3, fragile{when});
        CHECK_THROWS_AS(pool.map(takes, items), codec_error);
        CHECK_THROWS_AS(pool.map_async(takes, items).get(), codec_error);
        CHECK_THROWS_AS(pool.imap(takes, items).next(), codec_error);
        CHECK_THROWS_AS(pool.map(gives, std::vector<int>{when}), codec_error);
        CHECK_THROWS_AS(pool.imap(gives, std::vector<int>{when}).next(), codec_error);
    }
    CHECK(pool.apply(square, 3) == 9);
}

TEST_CASE("an argument that cannot be encoded does not hold up join")
{
    async_result<int> r;
    std::string seen;
    {
        process_pool pool{1};
        r = pool.apply_async([](fragile) { return 1; }, args(fragile{fragile::encoding}), [](int) {},
            [&](std::exception_ptr e) { seen = test::text_of(e); });
    }
    CHECK_THROWS_AS(r.get(), codec_error);
    CHECK(seen == "an argument could not be encoded: it does not want to leave");
}

TEST_CASE("terminate with ten thousand long calls in the queue")
{
    std::vector<async_result<void>> handles;
    {
        process_pool pool{2};
        for (int i = 0; i < 10'000; ++i)
            handles.push_back(pool.apply_async(for_ever));
        pool.terminate();
        pool.join();
    }
    for (async_result<void>& r : handles) {
        REQUIRE(r.ready());
        REQUIRE_THROWS_AS(r.get(), operation_cancelled);
    }
}

TEST_CASE("terminate while callers wait, by any way")
{
    process_pool pool{2};
    async_result<bool> waiter = start_thread([&] {
        try {
            pool.apply(for_ever);
            return false;
        }
        catch (const operation_cancelled&) {
            return true;
        }
    });
    async_result<bool> mapper = start_thread([&] {
        try {
            pool.map([](int) { for_ever(); }, std::vector<int>(10));
            return false;
        }
        catch (const operation_cancelled&) {
            return true;
        }
    });
    while (pool.stats().pending < 2)
        std::this_thread::yield();
    pool.terminate();
    CHECK(waiter.get());
    CHECK(mapper.get());
}

TEST_CASE("a queue with a limit")
{
    process_pool pool({.processes = 1, .queue_limit = 2});
    async_result<void> running = pool.apply_async(for_ever); // has left the queue
    std::vector<std::optional<async_result<int>>> tried;
    for (int i = 0; i < 4; ++i)
        tried.push_back(pool.try_apply_async(square, args(i)));
    CHECK(tried[0].has_value());
    CHECK(tried[1].has_value());
    CHECK_FALSE(tried[2].has_value());
    CHECK_FALSE(tried[3].has_value());
    test::kill_until_ended(pool, running);
    CHECK_THROWS_AS(running.get(), worker_died);
    tried[1]->wait(); // it may have met a late kill
    CHECK(pool.apply(square, 5) == 25);
}

TEST_CASE("two threads that join at once")
{
    process_pool pool{2};
    pool.close();
    test::on_threads([&] { pool.join(); }, [&] { pool.join(); });
    CHECK_THROWS_AS(pool.apply(square, 1), pool_closed);
}

TEST_CASE("options out of range")
{
    CHECK_THROWS_WITH_AS(process_pool({.processes = 1, .task_timeout = -1ns}),
        "process_pool: task_timeout must be at least 0, not -1 ns", std::invalid_argument);
    CHECK_THROWS_AS(process_pool(1025), std::invalid_argument);
}
