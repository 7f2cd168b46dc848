// Faults at random under full load: every call ends exactly once, with its value or with an error that says why.
// TANDEM_STRESS_SECONDS in the environment makes it longer.
#include "support.hpp"

#include <tandem/process/process_pool.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <random>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace tandem;
using namespace std::chrono_literals;

namespace {

/// What a call does: mostly its work, and now and then something worse.
std::vector<int> perhaps(int n, int fate, std::vector<int> data)
{
    switch (fate) {
    case 0:
        ::raise(SIGSEGV);
        break;
    case 1:
        ::_exit(n % 256);
    case 2:
        throw std::runtime_error("no " + std::to_string(n));
    case 3:
        throw n;
    case 4:
        std::this_thread::sleep_for(1s); // past its time
        break;
    default:
        break;
    }
    for (int& d : data)
        d += n;
    return data;
}

} // namespace

TEST_CASE("random faults under load")
{
    const char* const told = std::getenv("TANDEM_STRESS_SECONDS");
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(told ? 1000 * std::atoi(told) : 2000);
    std::atomic<int> values{0};
    std::atomic<int> errors{0};
    int died = 0;
    int timed_out = 0;
    int threw = 0;
    int good = 0;
    int submitted = 0;
    {
        process_pool pool({.processes = 3, .max_tasks_per_worker = 50, .task_timeout = 100ms});
        std::atomic<bool> over{false};
        std::thread killer([&] {
            std::mt19937 random(1);
            while (!over) {
                const std::vector<int> pids = pool.pids();
                const int before = values;
                if (!pids.empty())
                    ::kill(pids[random() % pids.size()], SIGKILL);
                do // until some worker has answered: a pool whose workers die before they are ready, time after time, gives up
                    std::this_thread::sleep_for(15ms);
                while (values == before && !over);
            }
        });
        std::mt19937 random(2);
        while (std::chrono::steady_clock::now() < until) {
            struct call {
                int n;
                int fate;
                std::size_t size;
                async_result<std::vector<int>> handle;
            };
            std::vector<call> calls;
            for (int i = 0; i < 200; ++i, ++submitted) {
                const int fate = static_cast<int>(random() % 300);
                const std::size_t size = random() % 20 == 0 ? 100'000 : random() % 100;
                calls.push_back({submitted, fate, size,
                    pool.apply_async(
                        perhaps, args(submitted, fate, std::vector<int>(size, 1)), [&](const std::vector<int>&) { ++values; },
                        [&](std::exception_ptr) { ++errors; })});
            }
            for (call& c : calls)
                try {
                    REQUIRE(c.handle.wait_for(test::very_long));
                    REQUIRE(c.handle.get() == std::vector<int>(c.size, 1 + c.n));
                    REQUIRE(c.fate > 3);
                    ++good;
                }
                catch (const worker_died&) {
                    ++died;
                }
                catch (const timeout_error&) {
                    ++timed_out;
                }
                catch (const remote_error&) {
                    REQUIRE(c.fate == 3);
                    ++threw;
                }
                catch (const std::runtime_error& e) {
                    REQUIRE(std::string(e.what()) == "no " + std::to_string(c.n));
                    ++threw;
                }
        }
        over = true;
        killer.join();
        pool.close();
        pool.join();
        MESSAGE(submitted << " calls: " << good << " good, " << died << " died, " << timed_out << " took too long, " << threw
                          << " threw; " << pool.stats().started << " workers");
    }
    CHECK(good + died + timed_out + threw == submitted);
    CHECK(values == good);
    CHECK(errors == submitted - good);
    CHECK(good > 0);
    CHECK(died > 0);
}

TEST_CASE("workers killed and stopped at random under callers who wait at the mailbox")
{
    std::atomic<int> good{0};
    std::atomic<int> died{0};
    std::atomic<int> calling{3};
    process_pool pool{2};
    const int rounds = test::scaled(3000, 1000, 500);
    const auto call = [&](unsigned seed) {
        const struct leave {
            ~leave() { --n; }
            std::atomic<int>& n;
        } at_the_end{calling};
        std::mt19937 random(seed);
        for (int n = 0; n < rounds; ++n) {
            const std::size_t size = random() % 10 == 0 ? random() % 700 : random() % 60; // some do not fit
            try {
                REQUIRE(pool.apply(perhaps, n, 5, std::vector<int>(size, 1)) == std::vector<int>(size, 1 + n));
                ++good;
            }
            catch (const worker_died& e) {
                REQUIRE(e.signal() == SIGKILL);
                ++died;
            }
        }
    };
    const auto kill_at_random = [&] {
        std::mt19937 random(3);
        while (calling > 0) {
            const std::vector<int> pids = pool.pids();
            const int before = good;
            if (!pids.empty()) {
                const int pid = pids[random() % pids.size()];
                ::kill(pid, SIGSTOP);
                std::this_thread::sleep_for(1ms);
                ::kill(pid, random() % 2 ? SIGKILL : SIGCONT);
            }
            do // until some worker has answered, as above
                std::this_thread::sleep_for(5ms);
            while (good == before && calling > 0);
        }
    };
    test::on_threads([&] { call(1); }, [&] { call(2); }, [&] { call(3); }, kill_at_random);
    CHECK(good + died == 3 * rounds);
    CHECK(test::eventually([&] { return pool.pids().size() == 2; }));
}

TEST_CASE("callers of all kinds at once, and workers that come and go")
{
    process_pool pool({.processes = 2, .max_tasks_per_worker = 7});
    constexpr auto square = [](int n) { return n * n; };
    const int rounds = test::scaled(300, 100, 50);
    test::on_threads(
        [&] {
            for (int i = 0; i < rounds; ++i)
                REQUIRE(pool.apply(square, i) == i * i);
        },
        [&] {
            for (int i = 0; i < rounds; ++i)
                REQUIRE(pool.apply_async(square, args(i)).get() == i * i);
        },
        [&] {
            for (int i = 0; i < rounds / 10; ++i)
                REQUIRE(pool.map(square, std::vector{1, 2, 3, 4, 5}, {.chunk = 1}) == std::vector{1, 4, 9, 16, 25});
        },
        [&] {
            for (int i = 0; i < rounds / 10; ++i)
                CHECK_THROWS_AS(pool.apply([](int n) { ::_exit(n); }, i), worker_died);
        });
}

TEST_CASE("terminate at any moment")
{
    constexpr auto square = [](int n) { return n * n; };
    for (int i = 0; i < test::scaled(100, 30, 20); ++i) {
        std::vector<async_result<int>> handles;
        async_result<std::vector<int>> mapped;
        {
            process_pool pool({.processes = 2, .max_tasks_per_worker = 5});
            for (int k = 0; k < 50; ++k)
                handles.push_back(pool.apply_async(square, args(k)));
            mapped = pool.map_async(square, std::vector<int>(100), {.chunk = 3});
            test::jitter(static_cast<unsigned>(i)).spin(300'000);
            pool.terminate();
        }
        for (int k = 0; k < 50; ++k)
            try {
                REQUIRE(handles[static_cast<std::size_t>(k)].ready());
                REQUIRE(handles[static_cast<std::size_t>(k)].get() == k * k);
            }
            catch (const operation_cancelled&) {
            }
        REQUIRE(mapped.ready());
    }
}
