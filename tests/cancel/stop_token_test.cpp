// Tokens and callbacks of one source.
#include "cancel/support.hpp"

#include <tandem/cancel/stop_token.hpp>

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <thread>
#include <type_traits>

using namespace tandem;
using namespace tandem::test;

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
    run_on_threads([&] {
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
