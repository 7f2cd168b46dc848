// What kills a worker, while others are at work: the one call fails, with its cause, and nothing else does.
#include "support.hpp"

#include <tandem/process/process_pool.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

using namespace tandem;
using namespace tandem::test;
using namespace std::chrono_literals;

namespace {

int slow_square(int n)
{
    std::this_thread::sleep_for(200us);
    return n * n;
}
int own_pid() { return ::getpid(); }
int die_by(int signal)
{
    ::raise(signal);
    return 0;
}
int leave(int code) { ::_exit(code); }
int leave_politely(int code) { std::exit(code); }
[[noreturn]] void for_ever()
{
    for (;;)
        ::pause();
}

/// A value that kills the worker while it is being written, after its numbers.
struct deadly {
    template <class Archive>
    void save(Archive& archive) const
    {
        archive(numbers);
        ::raise(SIGKILL);
    }
    template <class Archive>
    void load(Archive& archive)
    {
        archive(numbers);
    }
    std::vector<double> numbers;
};

/// Work for all workers, of which nothing may be lost; and afterwards a full pool.
class load {
public:
    explicit load(process_pool& p, int calls = 200) : pool_(p)
    {
        for (int i = 0; i < calls; ++i)
            handles_.push_back(p.apply_async(slow_square, args(i)));
    }
    void check()
    {
        for (int i = 0; std::cmp_less(i, handles_.size()); ++i)
            REQUIRE(handles_[static_cast<std::size_t>(i)].get() == i * i);
        CHECK(test::eventually([this] { return pool_.pids().size() == pool_.size(); }));
        CHECK(pool_.map(square, std::vector{1, 2, 3}) == std::vector{1, 4, 9});
    }

private:
    process_pool& pool_;
    std::vector<async_result<int>> handles_;
};

/// The death that a call ends with.
template <class F, class... A>
worker_died death_of(process_pool& pool, F f, A... a)
{
    try {
        pool.apply_async(f, args(a...)).get();
    }
    catch (const worker_died& e) {
        return e;
    }
    FAIL("the worker did not die");
    std::abort();
}

} // namespace

TEST_CASE("a signal")
{
    process_pool pool{2};
    for (const int signal : {SIGSEGV, SIGABRT, SIGKILL, SIGTERM, SIGFPE, SIGBUS}) {
        load others(pool);
        const worker_died e = death_of(pool, die_by, signal);
        CHECK(e.signal() == signal);
        CHECK(e.pid() > 0);
        CHECK(e.code() == errc::worker_died);
        const std::string text = e.what();
        CHECK(text.find("worker process " + std::to_string(e.pid()) + " was killed by signal " + std::to_string(signal)) == 0);
        CHECK(text.find("it ran apply_async, call ") != std::string::npos);
        others.check();
    }
}

TEST_CASE("an exit")
{
    process_pool pool{2};
    load others(pool);
    CHECK(death_of(pool, leave, 7).exit_code() == 7);
    CHECK(death_of(pool, leave, 0).exit_code() == 0);
    CHECK(death_of(pool, leave_politely, 3).exit_code() == 3);
    CHECK(death_of(pool, leave, 7).signal() == 0);
    others.check();
}

TEST_CASE("a death while the caller itself waits at the socket")
{
    process_pool pool{1};
    for (int i = 0; i < 20; ++i) {
        CHECK_THROWS_AS(pool.apply(die_by, SIGKILL), worker_died);
        CHECK(pool.apply(square, i) == i * i);
    }
}

TEST_CASE("a worker that is killed before it has read its call is replaced, and nobody notices")
{
    process_pool pool{2};
    for (int i = 0; i < 20; ++i) {
        const std::vector<int> pids = pool.pids();
        for (const int pid : pids)
            ::kill(pid, SIGSTOP); // it reads no more
        for (const int pid : pids)
            REQUIRE(test::eventually([pid] { return test::state_of(pid) == 'T'; }));
        std::vector<async_result<int>> handles;
        for (int k = 0; k < 3; ++k)
            handles.push_back(pool.apply_async(square, args(k)));
        for (const int pid : pids)
            ::kill(pid, SIGKILL);
        for (int k = 0; k < 3; ++k)
            REQUIRE(handles[static_cast<std::size_t>(k)].get() == k * k);
        CHECK(test::eventually([&] { return pool.pids().size() == 2; }));
    }
}

TEST_CASE("an idle worker that is killed is replaced")
{
    process_pool pool{2};
    // Sent before or after the death was seen. A worker that has no processor while the call arrives may still read it, and takes it along.
    const auto check = [&](int i, auto&& square_of) {
        try {
            REQUIRE(square_of(i) == i * i);
        }
        catch (const worker_died& e) {
            CHECK(e.signal() == SIGKILL);
        }
    };
    for (int i = 0; i < 50; ++i) {
        for (const int pid : pool.pids())
            ::kill(pid, SIGKILL);
        check(i, [&](int n) { return pool.apply_async(square, args(n)).get(); });
        check(i, [&](int n) { return pool.apply(square, n); });
    }
    CHECK(test::eventually([&] { return pool.pids().size() == 2; }));
}

TEST_CASE("a busy worker that is killed from outside")
{
    process_pool pool{2};
    load others(pool);
    std::vector<async_result<void>> stuck;
    for (int i = 0; i < 2; ++i)
        stuck.push_back(pool.apply_async(for_ever));
    // Those before them in the queue end first, so in the end both workers are stuck.
    CHECK(test::eventually([&] { return pool.stats().pending == 2; }));
    for (async_result<void>& r : stuck) {
        test::kill_until_ended(pool, r);
        CHECK_THROWS_AS(r.get(), worker_died);
    }
    others.check();
}

TEST_CASE("a death with a huge argument, and one with a huge result on its way")
{
    process_pool pool{2};
    load others(pool);
    const std::vector<double> huge(4 << 20, 1.5);
    CHECK_THROWS_AS(pool.apply([](const std::vector<double>&) { ::raise(SIGKILL); }, huge), worker_died);
    CHECK_THROWS_AS(pool.apply([](const std::vector<double>& v) { return deadly{v}; }, huge), worker_died);
    others.check();
}

TEST_CASE("a result of which only a part arrives")
{
    process_pool pool{1};
    // The worker's socket is its descriptor 3; what is written there is the beginning of an answer, or no answer at all.
    CHECK_THROWS_AS(pool.apply_async([] {
                            static_cast<void>(!::send(3, "madt", 4, 0));
                            ::raise(SIGKILL);
                        })
                        .get(),
        worker_died);
    CHECK_THROWS_AS(pool.apply_async([] {
                            char garbage[4096] = {'?'};
                            static_cast<void>(!::send(3, garbage, sizeof garbage, 0));
                            for_ever();
                        })
                        .get(),
        worker_died);
    CHECK(pool.apply(square, 3) == 9);
}

TEST_CASE("a worker that shuts its socket and lives on")
{
    process_pool pool{1};
    CHECK_THROWS_AS(pool.apply_async([] {
                            ::close(3);
                            for_ever();
                        })
                        .get(),
        worker_died);
    CHECK_THROWS_AS(pool.apply([] {
        ::close(3);
        for_ever();
    }),
        worker_died);
    CHECK(pool.apply(square, 3) == 9);
}

TEST_CASE("a child of the worker's that outlives it keeps nobody waiting")
{
    process_pool pool{1};
    // The child has the worker's end of the socket too, so the end of that does not show.
    const auto orphan = [](int program) {
        if (::fork() == 0) {
            ::close(1); // whoever runs the tests may read from them to the end
            ::close(2);
            while (::kill(program, 0) == 0)
                ::usleep(10'000);
            ::_exit(0);
        }
        ::raise(SIGKILL);
    };
    CHECK_THROWS_AS(pool.apply_async(orphan, args(::getpid())).get_for(test::very_long), worker_died);
    CHECK_THROWS_AS(pool.apply(orphan, ::getpid()), worker_died);
    CHECK(pool.apply(square, 3) == 9);
}

TEST_CASE("a poison call, again and again")
{
    process_pool pool{2};
    load others(pool);
    std::vector<async_result<int>> poisoned;
    for (int i = 0; i < 100; ++i)
        poisoned.push_back(pool.apply_async(die_by, args(SIGSEGV)));
    for (async_result<int>& r : poisoned)
        CHECK_THROWS_AS(r.get(), worker_died);
    others.check();
    CHECK(pool.stats().started >= 102);
}

TEST_CASE("workers that kill each other")
{
    process_pool pool{3};
    for (int round = 0; round < 20; ++round) {
        load others(pool, 20);
        std::vector<async_result<void>> duel;
        for (const int pid : pool.pids())
            duel.push_back(pool.apply_async([](int victim) { ::kill(victim, SIGKILL); }, args(pid)));
        for (async_result<void>& r : duel)
            try {
                r.get();
            }
            catch (const worker_died&) {
                // It was itself a victim.
            }
        CHECK(test::eventually([&] { return pool.pids().size() == 3; }));
    }
    CHECK(pool.apply(square, 3) == 9);
}

TEST_CASE("the error names the function, or where it is in the program")
{
    process_pool pool{1};
    CHECK_THROWS_WITH_AS(
        pool.apply(die_by, SIGSEGV), doctest::Contains("it ran apply, call 1 of the function at test_process+0x"), worker_died);
    struct sudden_exit {
        void operator()() const { ::_exit(3); }
    };
    CHECK_THROWS_WITH_AS(pool.apply(sudden_exit{}), doctest::Contains("::sudden_exit"), worker_died);
}

TEST_CASE("a map ends with the death; an imap goes on after it")
{
    process_pool pool{2};
    constexpr auto dies_at_5 = [](int n) { return n == 5 ? die_by(SIGSEGV) : n; };
    const std::vector<int> items{0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    try {
        pool.map(dies_at_5, items, {.chunk = 2});
        FAIL("nothing was thrown");
    }
    catch (const worker_died& e) {
        CHECK(std::string(e.what()).find("it ran map, items 4 to 5 of ") != std::string::npos);
    }
    CHECK_THROWS_AS(pool.map_async(dies_at_5, items).get(), worker_died);
    auto results = pool.imap(dies_at_5, items);
    for (int i = 0; i < 10; ++i)
        if (i == 5)
            CHECK_THROWS_AS(results.next(), worker_died);
        else
            CHECK(results.next() == i);
    CHECK_FALSE(results.next());
}

TEST_CASE("callbacks and coroutines get the death as any error")
{
    process_pool pool{1};
    std::string text;
    CHECK_THROWS_AS(pool.apply_async(
                            die_by, args(SIGKILL), [](int) {}, [&](std::exception_ptr e) { text = test::text_of(e); })
                        .get(),
        worker_died);
    CHECK(text.find("was killed by signal 9") != std::string::npos);
    CHECK_THROWS_AS(sync_wait(pool.apply_async(die_by, args(SIGKILL))), worker_died);
    CHECK(pool.apply(own_pid) != ::getpid());
}
