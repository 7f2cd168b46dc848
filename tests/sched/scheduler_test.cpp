#include "support/function_job.hpp"
#include "support/threads.hpp"

#include <tandem/sched/scheduler.hpp>
#include <tandem/task/blocking.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <asio/thread_pool.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <pthread.h>
#include <sys/resource.h>

using namespace tandem;
using namespace tandem::test;
using namespace std::chrono_literals;

namespace {

scheduler::options threads(std::size_t n)
{
    scheduler::options o;
    o.threads = n;
    return o;
}
scheduler::options initialized_by(std::size_t n, unique_function<void()> f)
{
    scheduler::options o = threads(n);
    o.initializer = std::move(f);
    return o;
}

std::chrono::duration<double> cpu_time_used()
{
    rusage u{};
    getrusage(RUSAGE_SELF, &u);
    const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6; };
    return std::chrono::duration<double>(seconds(u.ru_utime) + seconds(u.ru_stime));
}

// Chains of jobs, each job spawning the next, for ever: until this goes.
class flood {
public:
    flood(scheduler& s, int chains) : scheduler_(s), left_(chains)
    {
        for (int k = 0; k < chains; ++k)
            post(s, [this] { link(); });
    }
    ~flood()
    {
        stop_ = true;
        CHECK(eventually([this] { return left_.load() == 0; }));
    }
    flood(const flood&) = delete;
    flood& operator=(const flood&) = delete;

private:
    void link()
    {
        if (stop_.load())
            --left_;
        else
            post(scheduler_, [this] { link(); });
    }

    scheduler& scheduler_;
    std::atomic<int> left_;
    std::atomic<bool> stop_{false};
};

// Waits on this thread by looking, so that nobody is woken but by the scheduler. False when a wake-up was lost.
template <class F>
bool soon(F what)
{
    const auto deadline = std::chrono::steady_clock::now() + very_long;
    for (unsigned looks = 0; !what(); ++looks)
        if (looks % 64 == 63) {
            std::this_thread::yield();
            if (std::chrono::steady_clock::now() > deadline)
                return false;
        }
    return true;
}

} // namespace

// --- threads -----------------------------------------------------------------------------------

TEST_CASE("a scheduler has its threads, named, each with its worker")
{
    std::mutex m;
    std::set<std::string> names;
    std::set<std::size_t> indices;
    std::atomic<int> there = 0;
    scheduler::options o = threads(3);
    o.name = "cpu";
    scheduler s(std::move(o));
    CHECK(s.size() == 3);
    CHECK(s.name() == std::string("cpu"));
    CHECK(s.work_stealing() == &s);
    CHECK(this_worker() == nullptr);
    for (int k = 0; k < 3; ++k)
        post(s, [&] {
            char name[16] = {};
            pthread_getname_np(pthread_self(), name, sizeof name);
            {
                const std::lock_guard lock(m);
                names.insert(name);
                CHECK(&this_worker()->owner() == &s);
                indices.insert(this_worker()->index());
            }
            ++there;
            while (there.load() < 3) // so that each runs on a thread of its own
                std::this_thread::yield();
        });
    CHECK(eventually([&] { return there.load() == 3; }));
    const std::lock_guard lock(m);
    CHECK(names == std::set<std::string>{"cpu-0", "cpu-1", "cpu-2"});
    CHECK(indices == std::set<std::size_t>{0, 1, 2});
}

TEST_CASE("the initializer has run on every thread before any work does")
{
    std::mutex m;
    std::set<std::thread::id> initialized;
    std::atomic<int> done = 0;
    std::atomic<int> missing = 0;
    scheduler s(initialized_by(4, [&] {
        std::this_thread::sleep_for(2ms);
        const std::lock_guard lock(m);
        initialized.insert(std::this_thread::get_id());
    }));
    CHECK(initialized.size() == 4); // when the constructor returns
    for (int k = 0; k < 100; ++k)
        post(s, [&] {
            const std::lock_guard lock(m);
            missing += initialized.contains(std::this_thread::get_id()) ? 0 : 1;
            ++done;
        });
    CHECK(eventually([&] { return done.load() == 100; }));
    CHECK(missing == 0);
}

TEST_CASE("the constructor rethrows what an initializer threw, and leaves nothing behind")
{
    std::atomic<int> calls = 0;
    const auto make = [&] {
        scheduler s(initialized_by(4, [&] {
            if (++calls == 2)
                throw std::out_of_range("in the initializer");
        }));
    };
    CHECK_THROWS_WITH_AS(make(), "in the initializer", std::out_of_range);
    CHECK(calls == 4);
}

TEST_CASE("a scheduler may come and go without work, and with it")
{
    for (int round = 0; round < scaled(200, 50, 30); ++round) {
        std::atomic<int> done = 0;
        scheduler s(threads(2));
        for (int k = 0; k < round % 3; ++k)
            post(s, [&] { ++done; });
        CHECK(eventually([&] { return done.load() == round % 3; }));
    }
}

// --- every job runs once -----------------------------------------------------------------------

TEST_CASE("jobs posted from outside and from inside all run once")
{
    constexpr int producers = 3;
    constexpr int each = scaled(30'000, 5'000, 3'000);
    constexpr int children = 5;
    for (const std::size_t n : {1u, 2u, 4u}) {
        std::vector<std::atomic<int>> runs(producers * each * (1 + children));
        std::atomic<int> done = 0;
        scheduler s(threads(n));
        on_each_of(producers, [&](int me) {
            for (int k = 0; k < each; ++k) {
                std::atomic<int>* const mine = &runs[static_cast<std::size_t>((me * each + k) * (1 + children))];
                post(s, [&, mine] {
                    ++mine[0];
                    ++done;
                    for (int c = 1; c <= children; ++c)
                        post(s, [&done, mine, c] {
                            ++mine[c];
                            ++done;
                        });
                });
            }
        });
        CHECK(eventually([&] { return done.load() == static_cast<int>(runs.size()); }));
        CHECK(std::all_of(runs.begin(), runs.end(), [](const auto& ran) { return ran.load() == 1; }));
    }
}

TEST_CASE("spawned jobs run oldest first on one thread")
{
    constexpr int jobs = 1000;
    std::vector<int> order;
    std::atomic<bool> done = false;
    std::atomic<bool> go = false;
    scheduler s(threads(1));
    std::vector<int> in_order(jobs);
    for (int k = 0; k < jobs; ++k)
        in_order[static_cast<std::size_t>(k)] = k;
    const auto spawn_all = [&] {
        for (int k = 0; k < jobs; ++k)
            post(s, [&order, k] { order.push_back(k); });
        post(s, [&] { done = true; });
    };
    SUBCASE("from inside")
    {
        post(s, spawn_all);
        CHECK(eventually([&] { return done.load(); }));
        CHECK(order == in_order);
    }
    SUBCASE("from outside")
    {
        post(s, [&] {
            while (!go.load())
                std::this_thread::yield();
        });
        spawn_all();
        go = true;
        CHECK(eventually([&] { return done.load(); }));
        CHECK(order == in_order);
    }
}

TEST_CASE("a job from outside gets its turn on a worker that feeds itself")
{
    scheduler s(threads(1));
    const flood f(s, 100);
    for (int k = 0; k < 10; ++k) {
        std::atomic<bool> ran = false;
        post(s, [&] { ran = true; });
        CHECK(soon([&] { return ran.load(); }));
    }
}

// --- with Asio ---------------------------------------------------------------------------------

TEST_CASE("Asio's handlers and timers run on the workers' threads")
{
    std::atomic<int> on_worker = 0;
    scheduler s(threads(2));
    for (int k = 0; k < 10; ++k)
        asio::post(s.asio_pool(), [&] { on_worker += this_worker() && &this_worker()->owner() == &s; });
    asio::steady_timer timer(s.asio_pool(), 1ms);
    timer.async_wait([&](asio::error_code) {
        on_worker += this_worker() && &this_worker()->owner() == &s;
        post(s, [&] { ++on_worker; }); // spawned from a handler
    });
    CHECK(eventually([&] { return on_worker.load() == 12; }));
    CHECK(*s.executor() == asio::any_io_executor(s.asio_pool().get_executor()));
}

TEST_CASE("a timer fires, and a handler runs, while the queues are flooded")
{
    const auto check = [](scheduler& s) {
        for (int k = 0; k < 3; ++k) {
            std::atomic<bool> fired = false;
            std::atomic<bool> handled = false;
            asio::steady_timer timer(s.asio_pool(), 2ms);
            timer.async_wait([&](asio::error_code) { fired = true; });
            asio::post(s.asio_pool(), [&] { handled = true; });
            CHECK(eventually([&] { return fired.load() && handled.load(); })); // how late, the benchmarks say
        }
    };
    for (const std::size_t n : {1u, 2u}) {
        constexpr int jobs = 100'000;
        std::atomic<bool> stop = false;
        std::atomic<int> left = jobs;
        scheduler s(threads(n));
        {
            const flood f(s, 1000); // jobs that spawn jobs
            check(s);
        }
        for (int k = 0; k < jobs; ++k) // a long queue, and jobs that take their time
            post(s, [&, k] {
                if (!stop.load())
                    spin_for(std::chrono::microseconds(k % 200));
                --left;
            });
        check(s);
        CHECK(left > 0);
        stop = true;
        CHECK(eventually([&] { return left.load() == 0; }));
    }
}

TEST_CASE("a thread that the user attaches to the Asio pool serves handlers, and runs no jobs")
{
    std::atomic<int> done = 0;
    std::atomic<int> strays = 0;
    std::atomic<bool> served = false;
    scheduler s(threads(1));
    std::thread attached([&] { s.asio_pool().attach(); });
    const auto its_id = attached.get_id();
    const auto handler = [&] {
        if (std::this_thread::get_id() == its_id)
            served = true;
    };
    for (int k = 0; k < 2000; ++k) {
        post(s, [&] {
            strays += std::this_thread::get_id() == its_id;
            ++done;
        });
        asio::post(s.asio_pool(), handler);
        if (k % 16 == 0)
            std::this_thread::sleep_for(20us);
    }
    CHECK(eventually([&] { return done.load() == 2000; }));
    // It may have come too late for all of these: now the pool's own thread is busy.
    post(s, [&] {
        while (!served)
            std::this_thread::yield();
    });
    CHECK(eventually([&] {
        asio::post(s.asio_pool(), handler);
        return served.load();
    }));
    served = true;
    CHECK(strays == 0);
    s.stop_threads(true);
    attached.join();
}

// --- idleness and waking -----------------------------------------------------------------------

TEST_CASE("an idle scheduler uses no processor time")
{
    std::atomic<int> done = 0;
    scheduler s(threads(4));
    for (int k = 0; k < 1000; ++k)
        post(s, [&] { ++done; });
    CHECK(eventually([&] { return done.load() == 1000; }));
    // Sooner or later: on a busy machine threads take their time to come to rest.
    CHECK(eventually([] {
        const auto before = cpu_time_used();
        std::this_thread::sleep_for(500ms);
        return (cpu_time_used() - before) / 1ms < 25;
    }));
}

TEST_CASE("no wake-up is lost: one job at a time, from outside")
{
    for (const std::size_t n : {1u, 3u}) {
        scheduler s(threads(n));
        jitter random(static_cast<unsigned>(n));
        constexpr int rounds = scaled(5'000, 2'000, 1'500);
        int lost = 0;
        for (int k = 1; k <= rounds && lost == 0; ++k) {
            std::atomic<bool> ran = false;
            post(s, [&] { ran = true; });
            lost += !soon([&] { return ran.load(); });
            random.spin(k % 2 ? 1'000 : 30'000); // the workers spin for some ten microseconds before they retire
        }
        CHECK(lost == 0);
    }
}

TEST_CASE("no wake-up is lost: two jobs that wait for each other, from outside")
{
    scheduler s(threads(2));
    jitter random(9);
    constexpr int rounds = scaled(5'000, 2'000, 1'500);
    std::atomic<int> lost = 0;
    for (int k = 1; k <= rounds && lost.load() == 0; ++k) {
        std::atomic<int> met = 0;
        std::atomic<int> left = 3;
        // Before them a job that keeps one worker busy, so that it finds both together when the other is just about to retire.
        post(s, [&, spins = random.below(30'000)] {
            spin_for(std::chrono::nanoseconds(spins));
            --left;
        });
        random.spin(30'000);
        for (int j = 0; j < 2; ++j)
            post(s, [&] {
                ++met;
                lost += !soon([&] { return met.load() == 2; }); // each on a thread of its own, or never
                --left;
            });
        if (!soon([&] { return left.load() == 0; }))
            FAIL("two jobs that wait for each other were not both started");
        random.spin(k % 2 ? 1'000 : 30'000);
    }
    CHECK(lost == 0);
}

TEST_CASE("no wake-up is lost: a job that waits for one that it spawned")
{
    for (const std::size_t n : {2u, 4u}) {
        scheduler s(threads(n));
        jitter random(static_cast<unsigned>(n));
        constexpr int rounds = scaled(5'000, 2'000, 1'500);
        std::atomic<int> lost = 0;
        for (int k = 1; k <= rounds && lost.load() == 0; ++k) {
            std::atomic<bool> inner = false;
            std::atomic<bool> outer = false;
            const bool in_handler = random.below(2) == 0; // from a job, or from a handler of Asio's
            const auto spawns = [&] {
                post(s, [&] { inner = true; });
                lost += !soon([&] { return inner.load(); });
                outer = true;
            };
            if (in_handler)
                asio::post(s.asio_pool(), spawns);
            else
                post(s, spawns);
            if (!soon([&] { return outer.load(); }))
                FAIL("a job was not started");
            random.spin(k % 2 ? 1'000 : 30'000);
        }
        CHECK(lost == 0);
    }
}

TEST_CASE("no wake-up is lost: chains of jobs that hop about, with pauses")
{
    // Each chain posts its next link from inside, or through a timer, or from a thread outside; all must get to their end.
    constexpr int chains = 16;
    constexpr int links = scaled(2'000, 500, 300);
    std::atomic<int> ended = 0;
    scheduler s(threads(3));

    std::mutex m;
    std::condition_variable changed;
    std::vector<std::function<void()>> outside;
    bool over = false;
    std::thread poster([&] {
        std::unique_lock lock(m);
        for (;;) {
            changed.wait(lock, [&] { return over || !outside.empty(); });
            if (over)
                return;
            auto todo = std::exchange(outside, {});
            lock.unlock();
            for (auto& f : todo)
                post(s, f);
            lock.lock();
        }
    });

    struct chain {
        std::function<void()> step;
        jitter random{0};
        int left = links;
        std::unique_ptr<asio::steady_timer> timer;
    };
    std::vector<chain> all(chains);
    for (int k = 0; k < chains; ++k) {
        chain& c = all[static_cast<std::size_t>(k)];
        c.random = jitter(static_cast<unsigned>(k));
        c.timer = std::make_unique<asio::steady_timer>(s.asio_pool());
        c.step = [&] {
            if (--c.left == 0) {
                ++ended;
                return;
            }
            c.random.spin(c.random.below(4) == 0 ? 20'000 : 200);
            switch (c.random.below(8)) {
            case 0: {
                const std::lock_guard lock(m);
                outside.push_back(c.step);
                changed.notify_one();
                break;
            }
            case 1:
                c.timer->expires_after(std::chrono::microseconds(c.random.below(200)));
                c.timer->async_wait([&](asio::error_code) { post(s, c.step); });
                break;
            case 2:
                asio::post(s.asio_pool(), c.step);
                break;
            default:
                post(s, c.step);
            }
        };
        post(s, c.step);
    }
    const bool all_ended = eventually([&] { return ended.load() == chains; });
    {
        const std::lock_guard lock(m);
        over = true;
        changed.notify_one();
    }
    poster.join();
    s.stop_threads(true);
    CHECK(all_ended);
}

// --- workers that block ------------------------------------------------------------------------

TEST_CASE("when all workers block, others take their place")
{
    std::mutex m;
    std::set<std::thread::id> seen;
    scheduler s(threads(2));
    for (int round = 0; round < scaled(300, 100, 50); ++round) {
        std::atomic<bool> released = false;
        std::atomic<int> left = 0;
        constexpr int blockers = 5; // more than there are threads
        for (int k = 0; k < blockers; ++k)
            post(s, [&] {
                {
                    const std::lock_guard lock(m);
                    seen.insert(std::this_thread::get_id());
                }
                {
                    const blocking_section section;
                    while (!released.load())
                        std::this_thread::sleep_for(50us);
                }
                ++left;
            });
        post(s, [&] { released = true; }); // behind them all
        if (!eventually([&] { return left.load() == blockers; }))
            FAIL("nobody took the place of the workers that block");
    }
    CHECK(seen.size() <= 2 + 5); // the substitutes are kept, and serve again
}

TEST_CASE("a worker may block within a handler of Asio's, and within a section")
{
    scheduler s(threads(1));
    for (int round = 0; round < 50; ++round) {
        std::atomic<int> stage = 0;
        asio::post(s.asio_pool(), [&] {
            const blocking_section outer;
            {
                const blocking_section inner;
                post(s, [&] { stage = 1; });
                while (stage.load() < 1)
                    std::this_thread::sleep_for(20us);
            }
            asio::post(s.asio_pool(), [&] { stage = 2; });
            while (stage.load() < 2)
                std::this_thread::sleep_for(20us);
            stage = 3;
        });
        if (!eventually([&] { return stage.load() == 3; }))
            FAIL("nobody took the place of the worker that blocks");
    }
}

TEST_CASE("a blocking section on a thread of one's own does nothing")
{
    const blocking_section outer;
    const blocking_section inner;
}

TEST_CASE("with workers that come back from blocking, no more run at once than there are threads, but for a moment")
{
    std::atomic<int> left = 0;
    std::atomic<int> running = 0;
    std::atomic<int> most = 0;
    std::atomic<int> done = 0;
    scheduler s(threads(1));
    for (int k = 0; k < 20; ++k)
        post(s, [&] {
            {
                const blocking_section section;
                std::this_thread::sleep_for(1ms);
            }
            ++left;
        });
    CHECK(eventually([&] { return left.load() == 20; }));
    for (int k = 0; k < 2000; ++k)
        post(s, [&] {
            const int now = ++running;
            if (now > most.load())
                most = now;
            for (int i = 0; i < 100; ++i)
                detail::cpu_relax();
            --running;
            ++done;
        });
    CHECK(eventually([&] { return done.load() == 2000; }));
    CHECK(most == 1);
}

// --- accounting --------------------------------------------------------------------------------

TEST_CASE("wait_idle waits for all that was counted in")
{
    for (int round = 0; round < scaled(300, 100, 50); ++round) {
        std::atomic<int> done = 0;
        scheduler s(threads(2));
        constexpr int jobs = 20;
        for (int k = 0; k < jobs; ++k) {
            s.count_submitted();
            post(s, [&] {
                s.count_submitted();
                post(s, [&] {
                    ++done;
                    s.count_finished();
                });
                s.count_finished();
            });
        }
        s.count_submitted();
        std::thread other([&] { s.count_finished(); }); // no worker
        s.wait_idle();
        CHECK(done == jobs);
        CHECK(s.count().submitted == 2 * jobs + 1);
        CHECK(s.count().finished == 2 * jobs + 1);
        other.join();
    }
}
