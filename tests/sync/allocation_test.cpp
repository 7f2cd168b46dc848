// That a wait allocates nothing. Not built with a sanitizer, which has an allocator of its own.

#include <tandem/cancel/stop_token.hpp>
#include <tandem/combine/when_all.hpp>
#include <tandem/pool/co_spawn.hpp>
#include <tandem/sync/channel.hpp>
#include <tandem/sync/event.hpp>
#include <tandem/sync/latch.hpp>
#include <tandem/sync/mutex.hpp>
#include <tandem/sync/semaphore.hpp>
#include <tandem/sync/sleep.hpp>
#include <tandem/task/sync_wait.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <new>
#include <utility>

namespace {

std::atomic<long> allocations{0};

void* counted(void* p)
{
    allocations.fetch_add(1, std::memory_order_relaxed);
    if (p == nullptr)
        throw std::bad_alloc();
    return p;
}

} // namespace

// Not inlined: or GCC sees into one of a pair and holds the two for mismatched.
// NOLINTBEGIN(cppcoreguidelines-no-malloc)
TANDEM_NOINLINE void* operator new(std::size_t n) { return counted(std::malloc(n)); }
TANDEM_NOINLINE void* operator new(std::size_t n, std::align_val_t a)
{
    const auto alignment = static_cast<std::size_t>(a);
    return counted(std::aligned_alloc(alignment, (n + alignment - 1) / alignment * alignment));
}
TANDEM_NOINLINE void operator delete(void* p) noexcept { std::free(p); }
TANDEM_NOINLINE void operator delete(void* p, std::size_t) noexcept { std::free(p); }
TANDEM_NOINLINE void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
TANDEM_NOINLINE void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
// NOLINTEND(cppcoreguidelines-no-malloc)

using namespace tandem;

namespace {

constexpr int waits = 20'000;

/// What two tasks do by turns, so that each has to wait for the other.
struct meeting {
    channel<int> numbers{0};
    semaphore there{0};
    semaphore back{0};
    mutex m;

    task<> one()
    {
        for (int k = 0; k < waits; ++k) {
            co_await numbers.send(k);
            there.release();
            co_await back.acquire();
            const auto guard = co_await m.lock();
            co_await yield(); // so that the other meets it locked
        }
    }
    task<> other()
    {
        for (int k = 0; k < waits; ++k) {
            static_cast<void>(co_await numbers.receive());
            co_await there.acquire();
            back.release();
            const auto guard = co_await m.lock();
            co_await yield();
        }
    }
};

task<> waits_and_is_stopped(event& e)
{
    try {
        co_await e.wait();
    }
    catch (const operation_cancelled&) {
    }
}

} // namespace

TEST_CASE("waits between tasks allocate nothing")
{
    thread_pool pool{2};
    const auto meet = [](meeting& m) -> task<> { co_await when_all(m.one(), m.other()); };
    meeting warm_up;
    sync_wait(pool, meet(warm_up));
    meeting measured;
    const long before = allocations;
    sync_wait(pool, meet(measured));
    CHECK(allocations - before < waits / 100); // queues and lists of frames may still grow a little
}

TEST_CASE("sleeping, being stopped, and callbacks on a stop allocate nothing")
{
    thread_pool pool{1};
    const auto sleeps = []() -> task<> {
        for (int k = 0; k < waits / 10; ++k)
            co_await sleep_for(std::chrono::microseconds(1));
    };
    sync_wait(pool, sleeps());
    long before = allocations;
    sync_wait(pool, sleeps());
    CHECK(allocations - before < waits / 100);

    event never;
    before = allocations;
    int called = 0;
    for (int k = 0; k < waits; ++k) {
        stop_source stop;
        const auto on_stop = [&called]() noexcept { ++called; };
        const stop_callback callback(stop.get_token(), on_stop);
        stop.request_stop();
    }
    CHECK(allocations == before);
    CHECK(called == waits);
    // An operation_cancelled is an exception, and its text is allocated: so a stop costs what that costs, and no more.
    const auto stopped = [&](int n) {
        const long start = allocations;
        for (int k = 0; k < n; ++k) {
            stop_source stop;
            stop.request_stop();
            sync_wait(waits_and_is_stopped(never), stop.get_token());
        }
        return allocations - start;
    };
    const auto thrown = [&](int n) {
        const long start = allocations;
        event set(true);
        for (int k = 0; k < n; ++k) {
            sync_wait(waits_and_is_stopped(set));
            try {
                throw operation_cancelled("a task was asked to stop while it waited for an event");
            }
            catch (const operation_cancelled&) {
            }
        }
        return allocations - start;
    };
    stopped(10);
    thrown(10);
    CHECK(stopped(100) <= thrown(100));
}
