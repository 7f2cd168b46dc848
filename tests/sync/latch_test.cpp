#include "sync/support.hpp"

#include <tandem/pool/co_spawn.hpp>
#include <tandem/pool/thread_pool.hpp>
#include <tandem/sync/latch.hpp>
#include <tandem/task/sync_wait.hpp>

#include <doctest/doctest.h>

#include <stdexcept>
#include <vector>

using namespace tandem;
using namespace tandem::test;

namespace {

task<> waits(latch& l, std::vector<int>& through, int who)
{
    co_await l.wait();
    through.push_back(who);
}
task<> arrives(latch& l, std::vector<int>& through, int who)
{
    co_await l.arrive_and_wait();
    through.push_back(who);
}

} // namespace

TASK_TEST_CASE("a latch at zero lets through at once")
{
    latch none{0};
    CHECK(none.try_wait());
    co_await none.wait();
    latch two{2};
    CHECK_FALSE(two.try_wait());
    two.count_down(2);
    co_await two.wait();
    latch one{1};
    co_await one.arrive_and_wait();
    CHECK(one.try_wait());
}

TEST_CASE("a latch lets all through when the last has counted")
{
    manual_context manual;
    latch l{3};
    std::vector<int> through;
    started a(manual, waits(l, through, 1));
    started b(manual, arrives(l, through, 2));
    l.count_down();
    drain(manual);
    CHECK(through.empty());
    started c(manual, arrives(l, through, 3));
    CHECK(c.ended()); // it need not wait
    drain(manual);
    CHECK(through == std::vector{3, 1, 2});
}

TEST_CASE("a wait for a latch is cancelled; who arrived has counted all the same")
{
    manual_context manual;
    latch l{2};
    std::vector<int> through;
    started a(manual, waits(l, through, 1));
    started b(manual, arrives(l, through, 2));
    started c(manual, waits(l, through, 3));
    b.stop();
    c.stop();
    drain(manual);
    CHECK(b.was_cancelled());
    CHECK(c.was_cancelled());
    l.count_down();
    drain(manual);
    CHECK(through == std::vector{1});
}

TEST_CASE("a task may be destroyed while it waits for a latch")
{
    manual_context manual;
    latch l{1};
    std::vector<int> through;
    started a(manual, waits(l, through, 1));
    started b(manual, waits(l, through, 2));
    a.destroy();
    l.count_down();
    drain(manual);
    CHECK(through == std::vector{2});
}

TEST_CASE("bad arguments of a latch are named, and change nothing")
{
    CHECK_THROWS_WITH_AS(latch{-1}, "latch: count is -1, it must not be negative", std::invalid_argument);
    latch l{2};
    CHECK_THROWS_WITH_AS(l.count_down(-1), "latch::count_down: n is -1, it must not be negative", std::invalid_argument);
    CHECK_THROWS_WITH_AS(l.count_down(3), "latch::count_down: n is 3, and it may be at most 2", std::invalid_argument);
    manual_context manual;
    std::vector<int> through;
    started a(manual, waits(l, through, 1));
    CHECK_THROWS_AS(l.count_down(3), std::invalid_argument); // while somebody waits, too
    CHECK_THROWS_AS(manual.run(as_task(l.arrive_and_wait(-1))), std::invalid_argument);
    l.count_down(2);
    drain(manual);
    CHECK(a.ended());
}

TEST_CASE("what was done before each count is visible behind the latch")
{
    constexpr int rounds = scaled(2'000, 1'000, 500);
    thread_pool pool{2};
    for (int k = 0; k < rounds; ++k) {
        latch l{4};
        int done[4] = {};
        const auto works = [&](int n) -> task<> {
            done[n] = 1;
            l.count_down();
            co_return;
        };
        for (int n = 0; n < 4; ++n)
            co_spawn(pool, works(n));
        sync_wait(l.wait());
        CHECK(done[0] + done[1] + done[2] + done[3] == 4);
    }
}
