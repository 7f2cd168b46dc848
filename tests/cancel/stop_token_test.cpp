#include <tandem/cancel/stop_token.hpp>

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <barrier>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <thread>
#include <type_traits>
#include <vector>

using namespace tandem;

namespace {

// A stop_callback that can be kept in a container and made and destroyed at will.
using counting = stop_callback<std::function<void()>>;

// Runs each of the functions on a thread of its own; returns when all have.
template <class... F>
void on_threads(F... functions)
{
    std::vector<std::thread> threads;
    (threads.emplace_back(functions), ...);
    for (std::thread& thread : threads)
        thread.join();
}

void wait_until(const std::atomic<bool>& flag)
{
    while (!flag.load())
        std::this_thread::yield();
}

// The rounds of a stress, so that it takes a second or so also when instrumented.
#if TANDEM_TSAN || TANDEM_ASAN || !defined(__OPTIMIZE__)
constexpr int rounds = 2'000;
#else
constexpr int rounds = 6'000;
#endif

} // namespace

static_assert(!std::is_move_constructible_v<stop_source>);
static_assert(!std::is_copy_constructible_v<stop_source>);
static_assert(std::is_nothrow_constructible_v<stop_source, stop_token>);
static_assert(!std::is_convertible_v<stop_token, stop_source>);
static_assert(std::is_trivially_copyable_v<stop_token>);
static_assert(sizeof(stop_token) == sizeof(void*));
static_assert(sizeof(stop_source) <= 9 * sizeof(void*));

TEST_CASE("a token says whether its source was asked to stop")
{
    stop_source source;
    const stop_token token = source.get_token();
    CHECK(token.stop_possible());
    CHECK_FALSE(token.stop_requested());
    CHECK_FALSE(source.stop_requested());

    CHECK(source.request_stop());
    CHECK(token.stop_requested());
    CHECK(source.stop_requested());
    CHECK_FALSE(source.request_stop());
}

TEST_CASE("a token of no source never stops")
{
    const stop_token token;
    CHECK_FALSE(token.stop_possible());
    CHECK_FALSE(token.stop_requested());
    const stop_callback callback{token, [] { FAIL("called"); }};
}

TEST_CASE("tokens are equal when they are of the same source")
{
    const stop_source a;
    const stop_source b;
    CHECK(a.get_token() == a.get_token());
    CHECK(a.get_token() != b.get_token());
    CHECK(a.get_token() != stop_token{});
    CHECK(stop_token{} == stop_token{});
}

TEST_CASE("a callback runs once, on the thread that requests the stop")
{
    stop_source source;
    int calls = 0;
    std::thread::id ran_on;
    const stop_callback callback{source.get_token(), [&] {
                                     ++calls;
                                     ran_on = std::this_thread::get_id();
                                 }};
    CHECK(calls == 0);
    std::thread::id stopper;
    on_threads([&] {
        stopper = std::this_thread::get_id();
        source.request_stop();
        source.request_stop();
    });
    CHECK(calls == 1);
    CHECK(ran_on == stopper);
}

TEST_CASE("a callback on a source that was stopped runs at once")
{
    stop_source source;
    source.request_stop();
    bool called = false;
    const stop_callback callback{source.get_token(), [&] { called = true; }};
    CHECK(called);
}

TEST_CASE("a callback that was taken out does not run, the others do")
{
    stop_source source;
    std::array<int, 5> calls{};
    std::array<std::optional<counting>, 5> callbacks;
    for (std::size_t i = 0; i < callbacks.size(); ++i) {
        callbacks[i].emplace(source.get_token(), [&calls, i] { ++calls[i]; });
    }
    callbacks[0].reset(); // the last in the list, one in the middle, the first
    callbacks[2].reset();
    callbacks[4].reset();
    source.request_stop();
    CHECK(calls == std::array{0, 1, 0, 1, 0});
}

TEST_CASE("a callback is called as what it was passed as")
{
    struct once {
        bool* called;
        void operator()() && { *called = true; }
    };
    bool rvalue = false;
    bool lvalue = false;
    auto by_reference = [&] { lvalue = true; };
    stop_source source;
    const stop_callback<once> a{source.get_token(), once{&rvalue}};
    const stop_callback<decltype(by_reference)&> b{source.get_token(), by_reference};
    source.request_stop();
    CHECK(rvalue);
    CHECK(lvalue);
}

TEST_CASE("a callback may destroy itself and others")
{
    stop_source source;
    int calls = 0;
    std::optional<counting> itself;
    std::optional<counting> done;
    std::optional<counting> pending;
    // The last registered happens to be the first called; `itself` has one of each on either side.
    pending.emplace(source.get_token(), [&] { ++calls; });
    itself.emplace(source.get_token(), [&] {
        ++calls;
        done.reset();
        pending.reset();
        auto& outer = itself;
        outer.reset(); // from here on the captures are gone
    });
    done.emplace(source.get_token(), [&] { ++calls; });
    CHECK(source.request_stop());
    CHECK(calls == 2);
    CHECK_FALSE(itself.has_value());
}

TEST_CASE("a callback may register, ask and request again")
{
    stop_source source;
    bool inner = false;
    const stop_callback callback{source.get_token(), [&] {
                                     CHECK(source.stop_requested());
                                     CHECK_FALSE(source.request_stop());
                                     const stop_callback nested{source.get_token(), [&] { inner = true; }};
                                     CHECK(inner);
                                 }};
    source.request_stop();
    CHECK(inner);
}

TEST_CASE("destroying a callback waits until it has returned on the other thread")
{
    stop_source source;
    std::atomic<bool> entered{false};
    std::atomic<bool> leave{false};
    bool returned = false; // plain: the destructor orders it
    auto callback = std::make_unique<counting>(source.get_token(), [&] {
        entered = true;
        wait_until(leave);
        returned = true;
    });
    std::thread stopper{[&] { source.request_stop(); }};
    wait_until(entered);
    std::thread helper{[&] { leave = true; }};
    callback.reset();
    CHECK(returned);
    helper.join();
    stopper.join();
}

TEST_CASE("destroying a callback does not wait for another that is running")
{
    stop_source source;
    std::atomic<bool> entered{false};
    std::atomic<bool> leave{false};
    auto waiting = std::make_unique<counting>(source.get_token(), [] {});
    counting running{source.get_token(), [&] {
                         entered = true;
                         wait_until(leave);
                     }};
    std::thread stopper{[&] { source.request_stop(); }};
    wait_until(entered);
    waiting.reset();
    leave = true;
    stopper.join();
}

TEST_CASE("a child is stopped when its parent is, and not the other way round")
{
    stop_source parent;
    stop_source child{parent.get_token()};

    SUBCASE("the parent")
    {
        parent.request_stop();
        CHECK(child.stop_requested());
        CHECK(child.get_token().stop_requested());
        CHECK(child.request_stop()); // nobody had asked the child itself
    }
    SUBCASE("the child")
    {
        child.request_stop();
        CHECK(child.stop_requested());
        CHECK_FALSE(parent.stop_requested());
    }
}

TEST_CASE("a source may be made from a token of no source")
{
    stop_source source{stop_token{}};
    int calls = 0;
    const stop_callback callback{source.get_token(), [&] { ++calls; }};
    CHECK_FALSE(source.stop_requested());
    source.request_stop();
    CHECK(calls == 1);
}

TEST_CASE("a parent's stop reaches the callbacks of the children")
{
    stop_source root;
    stop_source middle{root.get_token()};
    stop_source leaf{middle.get_token()};
    stop_source other{root.get_token()};
    int on_leaf = 0;
    int on_middle = 0;
    int on_other = 0;
    const stop_callback a{leaf.get_token(), [&] { ++on_leaf; }};
    const stop_callback b{middle.get_token(), [&] { ++on_middle; }};
    const stop_callback c{other.get_token(), [&] { ++on_other; }};

    SUBCASE("from the root")
    {
        root.request_stop();
        CHECK(on_leaf == 1);
        CHECK(on_middle == 1);
        CHECK(on_other == 1);
        CHECK_FALSE(leaf.request_stop());
    }
    SUBCASE("from the middle")
    {
        middle.request_stop();
        CHECK(on_leaf == 1);
        CHECK(on_middle == 1);
        CHECK(on_other == 0);
        root.request_stop();
        CHECK(on_leaf == 1);
        CHECK(on_middle == 1);
        CHECK(on_other == 1);
    }
    SUBCASE("from below")
    {
        leaf.request_stop();
        CHECK(on_leaf == 1);
        CHECK(on_middle == 0);
        root.request_stop();
        CHECK(on_leaf == 1);
        CHECK(on_middle == 1);
    }
}

TEST_CASE("a callback on a child of a stopped parent runs at once, however far up")
{
    stop_source root;
    stop_source middle{root.get_token()};
    stop_source leaf{middle.get_token()};
    int calls = 0;

    SUBCASE("nothing was linked") { root.request_stop(); }
    SUBCASE("the middle was linked")
    {
        const stop_callback callback{middle.get_token(), [&] { ++calls; }};
        root.request_stop();
        CHECK(calls == 1);
        calls = 0;
    }
    const stop_callback callback{leaf.get_token(), [&] { ++calls; }};
    CHECK(calls == 1);
    CHECK(leaf.stop_requested());
}

TEST_CASE("a child comes and goes, linked or not")
{
    stop_source parent;
    int calls = 0;
    for (int i = 0; i < 3; ++i) {
        stop_source never_linked{parent.get_token()};
        stop_source child{parent.get_token()};
        for (int j = 0; j < 3; ++j)
            const stop_callback callback{child.get_token(), [&] { ++calls; }};
    }
    parent.request_stop();
    CHECK(calls == 0);
    stop_source late{parent.get_token()};
    const stop_callback callback{late.get_token(), [&] { ++calls; }};
    CHECK(calls == 1);
}

TEST_CASE("a callback may destroy children that are not on its chain")
{
    stop_source root;
    std::optional<stop_source> sibling;
    std::optional<counting> callback;
    bool called = false;
    auto destroy = [&] {
        callback.reset();
        sibling.reset();
        called = true;
    };
    auto make = [&] {
        sibling.emplace(root.get_token());
        callback.emplace(sibling->get_token(), [] {});
    };
    SUBCASE("not yet delivered to")
    {
        make();
        const stop_callback destroyer{root.get_token(), destroy};
        root.request_stop();
    }
    SUBCASE("delivered to already")
    {
        const stop_callback destroyer{root.get_token(), destroy};
        make();
        root.request_stop();
    }
    CHECK(called);
}

TEST_CASE("a chain a hundred thousand deep links and stops in constant stack")
{
    stop_source root;
    std::deque<stop_source> chain;
    chain.emplace_back(root.get_token());
    for (int i = 0; i < 100'000; ++i)
        chain.emplace_back(chain.back().get_token());
    int calls = 0;
    {
        const stop_callback callback{chain.back().get_token(), [&] { ++calls; }};
        root.request_stop();
    }
    CHECK(calls == 1);
    while (!chain.empty())
        chain.pop_back();
}

TEST_CASE("destroying a child waits while another thread delivers the parent's stop to it")
{
    // That thread touches the child after its last callback has returned, and so after the callback's
    // destructor lets go: only the sanitizers see whether the child waits.
    for (int round = 0; round < rounds / 10; ++round) {
        stop_source parent;
        std::atomic<bool> entered{false};
        std::thread stopper{[&] { parent.request_stop(); }};
        {
            const auto child = std::make_unique<stop_source>(parent.get_token());
            const stop_callback callback{child->get_token(), [&] { entered = true; }};
            if (round % 2 == 0)
                wait_until(entered);
        }
        stopper.join();
    }
}

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
    on_threads([&] { registers(0); }, [&] { registers(1); }, [&] { registers(2); },
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
        on_threads(ask, ask, ask, [&, token = source.get_token()] {
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
    on_threads([&] { below(root); }, [&] { below(shared); }, [&] { below(shared); },
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
        on_threads([&] { one.emplace(child->get_token(), [&] { ++calls; }); },
            [&] { two.emplace(child->get_token(), [&] { ++calls; }); }, [&] { parent.request_stop(); },
            [&] { first += child->request_stop() ? 1 : 0; });
        CHECK(calls == 2);
        CHECK(first <= 1);
        one.reset();
        two.reset();
        child.reset();
    }
}
