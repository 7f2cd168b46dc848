// Sources below sources.
#include "cancel/support.hpp"

#include <tandem/cancel/stop_token.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <deque>
#include <memory>
#include <optional>
#include <thread>

using namespace tandem;
using namespace tandem::test;

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
