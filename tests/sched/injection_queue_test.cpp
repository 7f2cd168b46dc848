#include "support/threads.hpp"

#include <tandem/sched/detail/injection_queue.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <cstddef>
#include <deque>
#include <vector>

using namespace tandem;
using namespace tandem::test;
using detail::injection_queue;

namespace {

struct token final : job {
    token() noexcept : job([](job*) noexcept {}) {}
    int producer = 0;
    int number = 0;
    std::atomic<int> taken{0};
};

std::vector<int> numbers(injection_queue& q, std::size_t limit)
{
    std::vector<int> n;
    const std::size_t popped = q.pop(limit, [&](job* j) { n.push_back(static_cast<token*>(j)->number); });
    CHECK(popped == n.size());
    return n;
}

} // namespace

TEST_CASE("jobs come out in the order in which they went in")
{
    injection_queue q;
    std::deque<token> t(6);
    for (int k = 0; k < 6; ++k)
        t[k].number = k;
    CHECK(!q.has_any());
    CHECK(numbers(q, 10).empty());

    q.push(&t[0]);
    CHECK(q.has_any());
    CHECK(numbers(q, 10) == std::vector{0});
    CHECK(!q.has_any());

    q.push(&t[1]);
    q.push(&t[2]);
    q.push(&t[3]);
    CHECK(numbers(q, 2) == std::vector{1, 2});
    CHECK(q.has_any());
    q.push(&t[4]);
    q.push(&t[5]);
    CHECK(numbers(q, 1) == std::vector{3});
    CHECK(numbers(q, 10) == std::vector{4, 5});
    CHECK(!q.has_any());
}

TEST_CASE("a job may be pushed again as soon as it was taken, by the one who takes it")
{
    injection_queue q;
    std::deque<token> t(3);
    for (int k = 0; k < 3; ++k) {
        t[k].number = k;
        q.push(&t[k]);
    }
    for (int round = 0; round < 1000; ++round) {
        std::vector<job*> taken;
        CHECK(q.pop(round % 3 + 1, [&](job* j) { taken.push_back(j); }) == static_cast<std::size_t>(round % 3 + 1));
        for (job* const j : taken)
            q.push(j);
    }
    CHECK(numbers(q, 10).size() == 3);
}

TEST_CASE("many producers, one consumer: all jobs arrive, those of each producer in their order")
{
    constexpr int producers = 3;
    constexpr int each = scaled(200'000, 50'000, 30'000);
    injection_queue q;
    std::deque<std::deque<token>> tokens(producers);
    for (auto& of_one : tokens)
        of_one.resize(each);
    std::vector<int> next(producers, 0);
    bool in_order = true;
    std::thread consumer([&] {
        for (int taken = 0; taken < producers * each;) {
            const std::size_t n = q.pop(32, [&](job* j) {
                const token& t = *static_cast<token*>(j);
                in_order = in_order && t.number == next[t.producer]++;
            });
            taken += static_cast<int>(n);
            if (n == 0)
                std::this_thread::yield();
        }
    });
    on_each_of(producers, [&](int me) {
        for (int k = 0; k < each; ++k) {
            token& t = tokens[me][k];
            t.producer = me;
            t.number = k;
            q.push(&t);
        }
    });
    consumer.join();
    CHECK(in_order);
    CHECK(!q.has_any());
}

TEST_CASE("many producers, many consumers: every job arrives once")
{
    constexpr int producers = 2;
    constexpr int consumers = 2;
    constexpr int each = scaled(200'000, 50'000, 30'000);
    injection_queue q;
    std::deque<std::deque<token>> tokens(producers);
    for (auto& of_one : tokens)
        of_one.resize(each);
    std::atomic<int> taken = 0;
    std::atomic<bool> in_order = true;
    on_each_of(producers + consumers, [&](int me) {
        if (me < producers) {
            for (int k = 0; k < each; ++k) {
                token& t = tokens[me][k];
                t.producer = me;
                t.number = k;
                q.push(&t);
            }
            return;
        }
        jitter random(me);
        std::vector<int> last(producers, -1);
        while (taken.load() < producers * each) {
            const std::size_t n = q.pop(random.below(32) + 1, [&](job* j) {
                token& t = *static_cast<token*>(j);
                t.taken.fetch_add(1, std::memory_order_relaxed);
                if (t.number <= last[t.producer]) // what this one gets is in order, with gaps for what the other got
                    in_order = false;
                last[t.producer] = t.number;
            });
            taken += static_cast<int>(n);
            if (n == 0)
                std::this_thread::yield();
        }
    });
    bool once = true;
    for (const auto& of_one : tokens)
        for (const token& t : of_one)
            once = once && t.taken.load() == 1;
    CHECK(once);
    CHECK(in_order);
    CHECK(!q.has_any());
}
