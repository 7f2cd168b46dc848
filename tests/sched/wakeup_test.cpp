// Who pushes a job and then keeps its thread busy until somebody else has run it: were one wake-up lost, the test would hang.
#include "support/function_job.hpp"
#include "support/threads.hpp"

#include <tandem/sched/scheduler.hpp>

#include <asio/post.hpp>
#include <asio/thread_pool.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <random>
#include <thread>

using namespace tandem;

namespace {

void wait_for(const std::atomic<bool>& flag)
{
    while (!flag.load(std::memory_order_acquire))
        std::this_thread::yield();
}

/// `push` gets the flag that its job is to set, and one to set itself once it has seen that.
template <class Push>
void in_rounds(std::size_t threads, Push push)
{
    scheduler::options o;
    o.threads = threads;
    scheduler s(std::move(o));
    std::minstd_rand random(1);
    for (int n = test::scaled(20'000, 4'000, 1'000); n > 0; --n) {
        std::atomic<bool> ran = false;
        std::atomic<bool> seen = false;
        push(s, ran, seen);
        wait_for(seen);
        // The next round finds the workers busy, looking round, about to go idle, or asleep.
        const auto until = std::chrono::steady_clock::now() + std::chrono::nanoseconds(random() % 30'000);
        while (std::chrono::steady_clock::now() < until)
            detail::cpu_relax();
    }
}

void push_and_wait(scheduler& s, std::atomic<bool>& ran, std::atomic<bool>& seen)
{
    test::post(s, [&ran] { ran.store(true, std::memory_order_release); });
    wait_for(ran);
    seen.store(true, std::memory_order_release);
}

} // namespace

TEST_CASE("a job pushed from outside is run at once")
{
    for (const std::size_t threads : {1u, 2u, 4u})
        in_rounds(threads, [](scheduler& s, std::atomic<bool>& ran, std::atomic<bool>& seen) { push_and_wait(s, ran, seen); });
}

TEST_CASE("a job pushed by a running job is run while that goes on")
{
    for (const std::size_t threads : {2u, 4u})
        in_rounds(threads, [](scheduler& s, std::atomic<bool>& ran, std::atomic<bool>& seen) {
            test::post(s, [&] { push_and_wait(s, ran, seen); });
        });
}

TEST_CASE("a job pushed by a handler of Asio's is run while that goes on")
{
    for (const std::size_t threads : {2u, 4u})
        in_rounds(threads, [](scheduler& s, std::atomic<bool>& ran, std::atomic<bool>& seen) {
            asio::post(s.asio_pool(), [&] { push_and_wait(s, ran, seen); });
        });
}

TEST_CASE("a job pushed by what a handler of Asio's resumed is run while that goes on")
{
    struct resumed final : job {
        resumed() noexcept : job(&run) {}
        static void run(job* j) noexcept
        {
            auto& self = static_cast<resumed&>(*j);
            push_and_wait(*self.pool, *self.ran, *self.seen);
        }
        scheduler* pool = nullptr;
        std::atomic<bool>* ran = nullptr;
        std::atomic<bool>* seen = nullptr;
    } step;
    for (const std::size_t threads : {2u, 4u})
        in_rounds(threads, [&step](scheduler& s, std::atomic<bool>& ran, std::atomic<bool>& seen) {
            step.pool = &s;
            step.ran = &ran;
            step.seen = &seen;
            asio::post(s.asio_pool(), [&s, &step] { s.resume_from_handler(step); });
        });
}
