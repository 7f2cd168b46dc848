// The two queues of a worker: the deque of its forks and the queue of its spawned jobs.
#include "support/threads.hpp"

#include <tandem/sched/detail/work_deque.hpp>
#include <tandem/sched/detail/work_queue.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <cstddef>
#include <deque>
#include <type_traits>
#include <vector>

using namespace tandem;
using namespace tandem::test;
using detail::work_deque;
using detail::work_queue;

namespace {

// Counts how often it was taken out of a queue.
struct token final : job {
    token() noexcept : job([](job* j) noexcept { static_cast<token*>(j)->taken.fetch_add(1, std::memory_order_relaxed); }) {}
    std::atomic<int> taken{0};
    int payload = 0; // written by the owner just before the push, read by who takes it: TSan sees whether that is ordered
};

bool each_taken_once(const std::deque<token>& tokens)
{
    for (const token& t : tokens)
        if (t.taken.load() != 1)
            return false;
    return true;
}

void take(job* j)
{
    if (static_cast<token*>(j)->payload != 1)
        FAIL("a job was taken before it was written");
    j->execute();
}

// As a join takes the next sibling.
bool pop_if(work_deque& q, const job* expected)
{
    const auto newest = q.newest();
    return newest.what == expected && (q.begin_take(newest) || q.finish_take());
}

job* take_oldest(work_deque& q) { return q.steal(); }
job* take_oldest(work_queue& q) { return q.take(); }

// As a thief does; how many it got.
constexpr std::size_t most_stolen = 16;
std::size_t steal(work_deque& q, job** to) { return (*to = q.steal()) ? 1 : 0; }
std::size_t steal(work_queue& q, job** to) { return q.take_half(to, most_stolen); }

// Two thieves against an owner: `owner(queue, push)` calls `push()` for every job, until that gives null, and may take some back.
template <class Queue, class Owner>
void owner_against_thieves(int jobs, Owner owner)
{
    Queue queue;
    std::deque<token> tokens(jobs);
    std::atomic<bool> over = false;
    std::atomic<int> stolen = 0;
    const auto thief = [&] {
        int mine = 0;
        for (bool last_round = false; !last_round;) {
            last_round = over.load();
            job* taken[most_stolen];
            while (const std::size_t n = steal(queue, taken)) {
                for (std::size_t k = 0; k < n; ++k)
                    take(taken[k]);
                mine += static_cast<int>(n);
            }
        }
        stolen += mine;
    };
    on_threads(
        [&] {
            int next = 0;
            owner(queue, [&]() -> job* {
                if (next == jobs)
                    return nullptr;
                token& t = tokens[next++];
                t.payload = 1;
                queue.push(&t);
                return &t;
            });
            over = true;
        },
        thief, thief);
    CHECK(queue.empty());
    CHECK(each_taken_once(tokens));
    MESSAGE("stolen: " << stolen.load() << " of " << jobs);
}

} // namespace

TEST_CASE("the owner of a deque gets its newest job first, thieves the oldest")
{
    work_deque q;
    std::deque<token> t(4);
    CHECK(q.empty());
    CHECK(q.pop() == nullptr);
    CHECK(q.steal() == nullptr);
    for (token& one : t)
        q.push(&one);
    CHECK(q.size_hint() == 4);
    CHECK(q.pop() == &t[3]);
    CHECK(q.steal() == &t[0]);
    CHECK(q.steal() == &t[1]);
    q.push(&t[0]);
    CHECK(q.pop() == &t[0]);
    CHECK(q.pop() == &t[2]);
    CHECK(q.pop() == nullptr);
    CHECK(q.empty());
    q.push(&t[3]);
    CHECK(q.steal() == &t[3]);
    CHECK(q.steal() == nullptr);
    CHECK(q.pop() == nullptr);
}

TEST_CASE("the owner takes the newest job only if it is the expected one")
{
    work_deque q;
    token a;
    token b;
    CHECK_FALSE(pop_if(q, &a));
    q.push(&a);
    q.push(&b);
    CHECK_FALSE(pop_if(q, &a));
    CHECK(pop_if(q, &b));
    CHECK_FALSE(pop_if(q, &b)); // its slot still holds it, but it is no longer in the deque
    CHECK(pop_if(q, &a));
    CHECK(q.empty());
    q.push(&a);
    CHECK(q.steal() == &a);
    CHECK_FALSE(pop_if(q, &a));
}

TEST_CASE_TEMPLATE("a queue grows, and keeps its order while it does", Queue, work_deque, work_queue)
{
    constexpr std::size_t n = 5000; // several times its first size
    std::deque<token> t(n);
    Queue q;
    std::size_t pushed = 0;
    std::size_t taken = 0;
    const auto push = [&](std::size_t up_to) {
        while (pushed < up_to)
            q.push(&t[pushed++]);
    };
    const auto take_up_to = [&](std::size_t up_to) {
        bool in_order = true;
        while (taken < up_to)
            in_order = take_oldest(q) == &t[taken++] && in_order;
        CHECK(in_order);
    };
    push(200);
    take_up_to(100); // so that it wraps round before it grows
    push(400);
    take_up_to(350);
    push(n);
    CHECK(q.size_hint() == static_cast<std::ptrdiff_t>(pushed - taken));
    take_up_to(n);
    CHECK(q.empty());
    if constexpr (std::is_same_v<Queue, work_deque>) {
        for (token& one : t)
            q.push(&one);
        bool in_order = true;
        for (std::size_t k = n; k-- > 0;)
            in_order = q.pop() == &t[k] && in_order;
        CHECK(in_order);
    }
}

TEST_CASE("a thief takes half of a queue, up to a number")
{
    work_queue q;
    std::deque<token> t(9);
    job* taken[4] = {};
    CHECK(q.take_half(taken, 4) == 0);
    for (token& one : t)
        q.push(&one);
    REQUIRE(q.take_half(taken, 4) == 4);
    for (std::size_t k = 0; k < 4; ++k)
        CHECK(taken[k] == &t[k]);
    REQUIRE(q.take_half(taken, 4) == 3);
    CHECK(taken[2] == &t[6]);
    REQUIRE(q.take_half(taken, 4) == 1);
    CHECK(taken[0] == &t[7]);
    REQUIRE(q.take_half(taken, 4) == 1); // of one, all
    CHECK(taken[0] == &t[8]);
    CHECK(q.take_half(taken, 4) == 0);
    CHECK(q.empty());
}

TEST_CASE("a queue gives everybody the oldest job")
{
    work_queue q;
    std::deque<token> t(3);
    CHECK(q.take() == nullptr);
    for (token& one : t)
        q.push(&one);
    CHECK_FALSE(q.take_if(&t[2]));
    CHECK(q.take_if(&t[0]));
    CHECK_FALSE(q.take_if(&t[0]));
    CHECK(q.take() == &t[1]);
    CHECK(q.take_if(&t[2]));
    CHECK_FALSE(q.take_if(&t[2]));
    CHECK(q.take() == nullptr);
}

// --- owner against thieves: each job is taken exactly once -------------------------------------

namespace {
constexpr int many = scaled(200'000, 50'000, 20'000);
} // namespace

TEST_CASE("the owner takes back the one job that the thieves want too")
{
    owner_against_thieves<work_deque>(many / 4, [random = jitter(2)](work_deque& q, auto push) mutable {
        while (push()) {
            random.spin(10'000); // about as long as a thief takes
            if (job* const j = q.pop())
                take(j);
        }
    });
}

TEST_CASE("the owner forks several, and takes back what was not stolen, as a join does")
{
    owner_against_thieves<work_deque>(many / 2, [random = jitter(7)](work_deque& q, auto push) mutable {
        for (;;) {
            std::vector<job*> forked(random.below(5) + 1);
            std::size_t n = 0;
            while (n < forked.size() && (forked[n] = push()))
                ++n;
            random.spin(10'000);
            for (std::size_t k = n; k-- > 0;)
                if (pop_if(q, forked[k]))
                    take(forked[k]);
                else
                    break; // stolen, and so are those below it, which are older
            if (n < forked.size())
                return;
        }
    });
}

TEST_CASE("the owner pushes in bursts that make the deque grow, and pops some")
{
    for (unsigned repeat = 0; repeat < 10; ++repeat)
        owner_against_thieves<work_deque>(many, [random = jitter(repeat)](work_deque& q, auto push) mutable {
            for (bool more = true; more;) {
                for (unsigned k = random.below(2000); k > 0 && more; --k)
                    more = push() != nullptr;
                for (unsigned k = random.below(1500); k > 0; --k)
                    if (job* const j = q.pop())
                        take(j);
            }
            while (job* const j = q.pop())
                take(j);
        });
}

TEST_CASE("the owner of a queue takes its oldest, and the thieves too")
{
    for (unsigned repeat = 0; repeat < 10; ++repeat)
        owner_against_thieves<work_queue>(many, [random = jitter(repeat)](work_queue& q, auto push) mutable {
            for (bool more = true; more;) {
                job* newest = nullptr;
                for (unsigned k = random.below(8); k > 0 && more; --k) {
                    newest = push();
                    more = newest != nullptr;
                }
                if (newest && q.take_if(newest))
                    take(newest);
                for (unsigned k = random.below(8); k > 0; --k)
                    if (job* const j = q.take())
                        take(j);
            }
        });
}
