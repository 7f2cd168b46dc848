// Mutex, semaphore, event and latch under many threads, with waits that are stopped at random.
#include "sync/support.hpp"

#include <tandem/pool/co_spawn.hpp>
#include <tandem/pool/thread_pool.hpp>
#include <tandem/sync/event.hpp>
#include <tandem/sync/latch.hpp>
#include <tandem/sync/mutex.hpp>
#include <tandem/sync/semaphore.hpp>
#include <tandem/sync/sleep.hpp>
#include <tandem/task/sync_wait.hpp>

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

using namespace tandem;
using namespace tandem::test;

namespace {

constexpr std::size_t tasks = 8;
constexpr int each = scaled(5'000, 2'000, 1'000);

// Awaits `operation()` again and again, in `tasks` tasks on a pool of three and one on a thread of its own. Each time the wait may be
// stopped, by a job of the pool or by another thread.
template <class F>
void with_random_stops(F operation)
{
    std::array<stop_slot, tasks + 1> slots;
    {
        thread_pool pool{3};
        const random_stops stops(slots);
        const auto works = [&](std::size_t self) -> task<> {
            jitter random(static_cast<unsigned>(self) + 1);
            for (int k = 0; k < each; ++k) {
                slots[self].open();
                if (random.below(3) == 0)
                    pool.apply_async([&slots, self] { slots[self].stop(); });
                co_await under(slots[self].token(), operation());
                slots[self].close();
            }
        };
        std::vector<async_result<void>> running;
        for (std::size_t k = 0; k < tasks; ++k)
            running.push_back(co_spawn(pool, works(k)));
        sync_wait(works(tasks));
        for (auto& r : running)
            r.get();
    }
}

} // namespace

TEST_CASE("stress: a mutex with waits stopped at random is held by one at a time")
{
    mutex m;
    long inside = 0; // plain: the mutex orders it
    std::atomic<long> entered{0};
    std::atomic<long> stopped{0};
    const auto enters = [&]() -> task<> {
        try {
            const auto guard = co_await m.lock();
            ++inside;
            ++entered;
            co_await yield(); // so that others have to wait
        }
        catch (const operation_cancelled&) {
            ++stopped;
        }
    };
    with_random_stops(enters);
    CHECK(inside == entered);
    CHECK(entered + stopped == static_cast<long>(tasks + 1) * each);
    CHECK_FALSE(m.is_locked());
    MESSAGE("stopped " << stopped.load());
}

TEST_CASE("stress: a semaphore with waits stopped at random has all its units in the end")
{
    constexpr int units = 3;
    semaphore s{units};
    std::atomic<int> inside{0};
    std::atomic<int> too_many{0};
    std::atomic<long> stopped{0};
    const auto enters = [&]() -> task<> {
        try {
            co_await s.acquire();
            too_many += ++inside > units;
            co_await yield();
            --inside;
            s.release();
        }
        catch (const operation_cancelled&) {
            ++stopped;
        }
    };
    with_random_stops(enters);
    CHECK(too_many == 0);
    CHECK(s.available() == units);
    MESSAGE("stopped " << stopped.load());
}

TEST_CASE("stress: events set and reset, with waits stopped at random, leave nobody behind")
{
    event e;
    std::atomic<long> through{0};
    std::atomic<long> stopped{0};
    std::atomic<bool> over{false};
    std::thread setter([&] {
        jitter random(3);
        while (!over) {
            e.set();
            random.spin(2'000);
            e.reset();
            random.spin(2'000);
        }
    });
    const auto waits = [&]() -> task<> {
        try {
            co_await e.wait();
            ++through;
        }
        catch (const operation_cancelled&) {
            ++stopped;
        }
    };
    with_random_stops(waits);
    over = true;
    setter.join();
    CHECK(through + stopped == static_cast<long>(tasks + 1) * each);
    MESSAGE("stopped " << stopped.load());
}

TEST_CASE("stress: latches, round after round, on the same tasks")
{
    constexpr int rounds = scaled(1'000, 500, 200);
    std::vector<std::optional<latch>> latches(rounds);
    for (auto& l : latches)
        l.emplace(static_cast<std::ptrdiff_t>(tasks));
    std::vector<int> counts(rounds * tasks);
    std::atomic<int> wrong{0};
    const auto meets = [&](std::size_t self) -> task<> {
        for (std::size_t r = 0; r < rounds; ++r) {
            counts[r * tasks + self] = 1;
            co_await latches[r]->arrive_and_wait();
            int sum = 0;
            for (std::size_t k = 0; k < tasks; ++k)
                sum += counts[r * tasks + k];
            wrong += sum != static_cast<int>(tasks);
        }
    };
    {
        thread_pool pool{3};
        for (std::size_t k = 0; k < tasks; ++k)
            co_spawn(pool, meets(k));
    }
    CHECK(wrong == 0);
}

TEST_CASE("stress: a pool goes as soon as its task has ended, while the thread that woke the task is still at it")
{
    constexpr int rounds = scaled(500, 300, 200);
    for (int round = 0; round < rounds; ++round) {
        event e;
        std::optional<thread_pool> pool(1);
        auto waits = co_spawn(*pool, as_task(e.wait()));
        std::thread setter([&] { e.set(); });
        waits.get();
        pool.reset();
        setter.join();
    }
}
