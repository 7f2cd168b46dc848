// Callbacks and sources that come and go while they are being stopped.
#include "cancel/support.hpp"

#include <tandem/cancel/stop_token.hpp>

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <barrier>
#include <cstddef>
#include <optional>
#include <thread>

using namespace tandem;
using namespace tandem::test;

TEST_CASE("stress: callbacks come and go on three threads while a fourth stops")
{
    struct registration {
        std::atomic<int> calls{0};
        bool kept = false;
    };
    constexpr int per_thread = 8;
    std::array<std::array<registration, per_thread>, 3> all;
    std::optional<stop_source> source;
    bool failed = false;
    std::atomic<int> first_callers{0};

    // Four threads meet before and after each round; between, the last to arrive looks at the result.
    int round = 0;
    auto next_round = [&]() noexcept {
        if (source) {
            for (auto& thread : all) {
                for (registration& r : thread) {
                    const int calls = r.calls.exchange(0);
                    if (calls > 1 || (r.kept && calls != 1))
                        failed = true;
                    r.kept = false;
                }
            }
            if (first_callers.exchange(0) != 1)
                failed = true;
        }
        source.emplace();
        ++round;
    };
    std::barrier meet{4, next_round};

    auto registers = [&](std::size_t self) {
        for (int i = 0; i < rounds; ++i) {
            meet.arrive_and_wait();
            std::array<std::optional<counting>, per_thread> callbacks;
            auto add = [&](std::size_t k) { callbacks[k].emplace(source->get_token(), [&r = all[self][k]] { ++r.calls; }); };
            for (std::size_t k = 0; k < per_thread; ++k)
                add(k);
            for (std::size_t k = 0; k < per_thread; k += 2)
                callbacks[k].reset();
            while (!source->stop_requested())
                std::this_thread::yield();
            // Those with an odd number are still registered, or came too late and have run. The stopping
            // thread may not have come to them yet, and to destroy them now would be to take them out.
            for (std::size_t k = 1; k < per_thread; k += 2) {
                while (all[self][k].calls.load() == 0)
                    std::this_thread::yield();
                all[self][k].kept = true;
            }
        }
        meet.arrive_and_wait();
    };
    run_on_threads([&] { registers(0); }, [&] { registers(1); }, [&] { registers(2); },
        [&] {
            for (int i = 0; i < rounds; ++i) {
                meet.arrive_and_wait();
                for (int spin = 0; spin < i % 50; ++spin)
                    std::this_thread::yield();
                if (source->request_stop())
                    ++first_callers;
                if (source->request_stop())
                    ++first_callers;
            }
            meet.arrive_and_wait();
        });
    CHECK_FALSE(failed);
    CHECK(round == rounds + 1);
}

TEST_CASE("stress: many ask to stop, one is the first")
{
    for (int i = 0; i < rounds / 10; ++i) {
        stop_source source;
        std::atomic<int> first{0};
        std::atomic<int> calls{0};
        int before = 0; // plain: the stop orders it
        const stop_callback callback{source.get_token(), [&] { calls += before; }};
        auto ask = [&] { first += source.request_stop() ? 1 : 0; };
        before = 1;
        run_on_threads(ask, ask, ask, [&, token = source.get_token()] {
            while (!token.stop_requested())
                std::this_thread::yield();
        });
        CHECK(first == 1);
        CHECK(calls == 1);
    }
}

TEST_CASE("stress: chains three deep live and die while the root is being stopped")
{
    // One thread makes and destroys chains below the root, two below a child that they share, so that
    // these race to link it. The fourth stops the root somewhere in between.
    constexpr int chains_per_round = 8;
    std::optional<stop_source> root;
    std::optional<stop_source> shared;
    std::atomic<int> chains_made{0};
    std::atomic<bool> failed{false};
    std::barrier meet{4, [&]() noexcept {
                          shared.reset();
                          root.emplace();
                          shared.emplace(root->get_token());
                          chains_made = 0;
                      }};

    auto live_and_die = [&](stop_source& parent) {
        std::atomic<int> leaf_calls{0};
        std::atomic<int> middle_calls{0};
        bool must_come = false;
        {
            stop_source middle{parent.get_token()};
            stop_source leaf{middle.get_token()};
            const stop_callback on_leaf{leaf.get_token(), [&] { ++leaf_calls; }};
            const stop_callback on_middle{middle.get_token(), [&] { ++middle_calls; }};
            ++chains_made;
            must_come = leaf.stop_requested();
            while (must_come && (leaf_calls == 0 || middle_calls == 0))
                std::this_thread::yield();
        }
        if (leaf_calls > 1 || middle_calls > 1)
            failed = true;
        if (must_come && (leaf_calls != 1 || middle_calls != 1))
            failed = true;
    };
    auto below = [&](std::optional<stop_source>& parent) {
        for (int i = 0; i < rounds; ++i) {
            meet.arrive_and_wait();
            for (int k = 0; k < chains_per_round; ++k)
                live_and_die(*parent);
        }
        meet.arrive_and_wait();
    };
    run_on_threads([&] { below(root); }, [&] { below(shared); }, [&] { below(shared); },
        [&] {
            for (int i = 0; i < rounds; ++i) {
                meet.arrive_and_wait();
                while (chains_made < i % (3 * chains_per_round))
                    std::this_thread::yield();
                root->request_stop();
            }
            meet.arrive_and_wait();
        });
    CHECK_FALSE(failed);
}

TEST_CASE("stress: callbacks on a child race with the child's and the parent's stop")
{
    for (int i = 0; i < rounds / 10; ++i) {
        stop_source parent;
        std::optional<stop_source> child{std::in_place, parent.get_token()};
        std::atomic<int> calls{0};
        std::atomic<int> first{0};
        std::optional<counting> one;
        std::optional<counting> two;
        run_on_threads([&] { one.emplace(child->get_token(), [&] { ++calls; }); },
            [&] { two.emplace(child->get_token(), [&] { ++calls; }); }, [&] { parent.request_stop(); },
            [&] { first += child->request_stop() ? 1 : 0; });
        CHECK(calls == 2);
        CHECK(first <= 1);
        one.reset();
        two.reset();
        child.reset();
    }
}
