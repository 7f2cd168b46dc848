// Workers and the server as processes: what they inherit, how they come and go, and what they leave behind.
#include "support.hpp"

#include <tandem/process/process_pool.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <sys/resource.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace tandem;
using namespace tandem::test;
using namespace std::chrono_literals;

namespace {

int own_pid() { return ::getpid(); }

std::vector<int> open_descriptors()
{
    std::vector<int> v;
    for (int fd = 0; fd < 1024; ++fd)
        if (::fcntl(fd, F_GETFD) >= 0)
            v.push_back(fd);
    return v;
}

long resident_pages()
{
    long size = 0;
    long resident = 0;
    std::ifstream("/proc/self/statm") >> size >> resident;
    return resident;
}

} // namespace

TEST_CASE("a worker has the standard descriptors and its socket, and no other")
{
    process_pool first{1};
    process_pool pool{2};
    for (int i = 0; i < 4; ++i)
        CHECK(pool.apply(open_descriptors) == std::vector{0, 1, 2, 3});
    CHECK(pool.apply([] {
        char c = 0;
        return ::read(0, &c, 1);
    }) == 0); // nothing to read there
}

TEST_CASE("a worker ignores SIGINT, and has no handler of the program's")
{
    process_pool pool{1};
    const int pid = pool.apply(own_pid);
    CHECK(pool.apply([] { return ::raise(SIGINT); }) == 0);
    CHECK(pool.apply(own_pid) == pid);
    CHECK(pool.apply([] {
        struct sigaction a{};
        ::sigaction(SIGSEGV, nullptr, &a);
        return a.sa_handler == SIG_DFL;
    }));
}

TEST_CASE("max_tasks_per_worker: fresh workers, and nothing lost or out of order")
{
    process_pool pool({.processes = 2, .max_tasks_per_worker = 5});
    std::vector<async_result<int>> handles;
    for (int i = 0; i < 200; ++i)
        handles.push_back(pool.apply_async(square, args(i)));
    for (int i = 0; i < 200; ++i)
        REQUIRE(handles[static_cast<std::size_t>(i)].get() == i * i);
    std::set<int> pids;
    for (int i = 0; i < 50; ++i)
        pids.insert(pool.apply(own_pid));
    CHECK(pids.size() >= 10);
    CHECK(pids.size() <= 12); // which worker has run how many before is open
    CHECK(pool.stats().started >= 50);
    std::vector<int> items(1000);
    for (int i = 0; i < 1000; ++i)
        items[static_cast<std::size_t>(i)] = i;
    const std::vector<int> squares = pool.map(square, items, {.chunk = 3});
    for (int i = 0; i < 1000; ++i)
        REQUIRE(squares[static_cast<std::size_t>(i)] == i * i);
}

namespace {
#if defined(NDEBUG)
constexpr int respawns = 10'000;
#else
constexpr int respawns = test::scaled(2'000, 500, 500); // of a busy machine's time they take 25 ms each
#endif
} // namespace

TEST_CASE("ten thousand respawns leave no zombie and no descriptor")
{
    process_pool pool({.processes = 2, .max_tasks_per_worker = 1});
    pool.apply(square, 1);
    const std::size_t before = test::descriptors_of();
    for (int i = 0; i < respawns; ++i)
        REQUIRE(pool.apply(square, i) == static_cast<int>(static_cast<unsigned>(i) * static_cast<unsigned>(i)));
    CHECK(test::eventually([&] { return pool.pids().size() == 2; }));
    CHECK(test::descriptors_of() == before);
    // All children of the server: the workers that there are, and one pool's only.
    const int server = pool.apply([] { return ::getppid(); });
    const auto children = [&] {
        std::ifstream file("/proc/" + std::to_string(server) + "/task/" + std::to_string(server) + "/children");
        return std::vector<int>(std::istream_iterator<int>(file), {}).size();
    };
    CHECK(test::eventually([&] { return children() <= 4; })); // the spare, and one that may be on its way out
}

TEST_CASE("a pool that ends leaves nothing")
{
    const std::size_t before = test::descriptors_of();
    std::vector<int> pids;
    for (int i = 0; i < 20; ++i) {
        process_pool pool{2};
        for (const int pid : pool.pids())
            pids.push_back(pid);
        static_cast<void>(pool.apply_async(square, args(3)));
    }
    CHECK(test::descriptors_of() == before);
    for (const int pid : pids)
        CHECK_FALSE(test::is_alive(pid));
}

TEST_CASE("memory stays flat over many calls")
{
    process_pool pool{2};
    const auto run = [&](int n) {
        std::vector<async_result<int>> handles;
        for (int i = 0; i < n; ++i) {
            handles.push_back(pool.apply_async(square, args(i % 1000)));
            if (handles.size() == 100) {
                handles.back().wait(); // else the queue would be what grows
                handles.clear();
            }
        }
        handles.clear();
        pool.map(square, std::vector<int>(1000));
        CHECK(test::eventually([&] { return pool.stats().pending == 0; }));
    };
    run(20'000);
    const long before = resident_pages();
    const long worker_before = pool.apply(resident_pages);
    run(test::scaled(60'000, 20'000, 20'000));
    if (!TANDEM_TSAN && !TANDEM_ASAN) {
        CHECK(resident_pages() - before < 1000); // 4 MB; a leak of 64 bytes a call would be as much
        CHECK(pool.apply(resident_pages) - worker_before < 500);
    }
}

TEST_CASE("a program that is killed leaves no worker and no server")
{
    // A program of its own, with a server and a busy pool of its own: this one, in a fork that has no threads.
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    std::fflush(nullptr);
    // From a worker, since this process may have threads.
    process_pool pool{1};
    const std::vector<int> pids = pool.apply([] {
        int out[2];
        if (::pipe(out) != 0)
            ::_exit(1);
        if (const int program = ::fork(); program == 0) {
            process_pool inner{3};
            static_cast<void>(inner.apply_async([] { ::sleep(60); }));
            std::vector<int> v = inner.pids();
            v.push_back(inner.apply([] { return ::getppid(); })); // its server
            static_cast<void>(!::write(out[1], v.data(), v.size() * sizeof(int)));
            ::pause();
        }
        else {
            std::vector<int> v(4);
            if (::read(out[0], v.data(), v.size() * sizeof(int)) != static_cast<ssize_t>(v.size() * sizeof(int)))
                ::_exit(2);
            ::kill(program, SIGKILL);
            ::waitpid(program, nullptr, 0);
            return v;
        }
        return std::vector<int>();
    });
    REQUIRE(pids.size() == 4);
    for (const int pid : pids)
        CHECK(test::eventually([&] {
            // Orphans are the init process's to reap; where there is none, a zombie is as good as gone.
            std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
            std::string line;
            std::getline(file, line);
            return line.empty() || line.find(") Z ") != std::string::npos;
        }));
    ::close(ends[0]);
    ::close(ends[1]);
}

TEST_CASE("the server dies: everything fails, and nothing hangs")
{
    // In a worker, so that this program keeps its own.
    process_pool pool{1};
    const std::string text = pool.apply([] {
        process_pool inner{2};
        const int server = inner.apply([] { return ::getppid(); });
        async_result<void> running = inner.apply_async([] { ::sleep(60); });
        ::kill(server, SIGKILL);
        std::string s;
        for (int i = 0; i < 2; ++i)
            try {
                if (i == 0)
                    running.get();
                else
                    inner.apply(square, 1);
            }
            catch (const worker_died&) {
                s += "worker_died; ";
            }
            catch (const std::runtime_error& e) {
                s += e.what();
            }
        return s;
    });
    CHECK(text == "worker_died; process_pool: the fork server has died, and with it all workers; none can be started any more");
}

TEST_CASE("a program with threads and no server is told what to do")
{
    process_pool pool{1};
    CHECK(process_server::running());
    const std::string text = pool.apply([] {
        std::string s = process_server::running() ? "running " : "";
        std::thread other([] { ::pause(); });
        try {
            process_pool inner{1};
        }
        catch (const std::logic_error& e) {
            s += e.what();
        }
        other.detach();
        return s;
    });
    // (Sanitizers may have threads of their own.)
    CHECK(text.starts_with("process_server::start: this program already has "));
    CHECK(
        text.ends_with(" threads, and cannot be forked any more; call tandem::process_server::start() at the top of main, before a "
                       "thread is started"));
}
