#include <tandem/io/detail/cancellation_place.hpp>
#include <tandem/io/use_task.hpp>
#include <tandem/tandem.hpp>

#include <asio/associated_cancellation_slot.hpp>
#include <asio/error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/thread_pool.hpp>

#include <doctest/doctest.h>

#include <array>
#include <memory>
#include <utility>

using namespace tandem;
using detail::cancellation_place;

namespace {

/// A cancellation handler of some size that counts its calls, and how many of its kind there are.
template <std::size_t Words>
class counted {
public:
    counted(int& calls, int& alive) : calls_(&calls), alive_(&alive) { ++*alive_; }
    counted(const counted&) = delete;
    counted& operator=(const counted&) = delete;
    ~counted() { --*alive_; }
    void operator()(asio::cancellation_type) { ++*calls_; }

private:
    int* calls_;
    int* alive_;
    std::array<void*, Words> more_{};
};
using small = counted<1>;
using large = counted<40>;

/// An operation that asks for Asio's own type of slot, as code outside of Asio does: ends when its cancellation is emitted.
template <class Token>
auto async_until_cancelled(asio::thread_pool& context, Token&& token)
{
    return asio::async_initiate<Token, void(asio::error_code)>(
        [&context](auto handler) {
            using handler_type = decltype(handler);
            asio::cancellation_slot slot = asio::get_associated_cancellation_slot(handler);
            auto h = std::make_shared<handler_type>(std::move(handler));
            slot.assign([&context, h](asio::cancellation_type) {
                asio::post(context, [h] {
                    auto ex = asio::get_associated_executor(*h);
                    asio::dispatch(ex, [h] { std::move (*h)(asio::error::operation_aborted); });
                });
            });
        },
        token);
}

} // namespace

TEST_CASE_TEMPLATE("what is put in a place is called, replaced and destroyed", Handler, small, large)
{
    int calls = 0;
    int alive = 0;
    {
        cancellation_place place;
        const cancellation_place::slot slot(place);
        CHECK(slot.is_connected());
        CHECK_FALSE(slot.has_handler());
        place.emit(asio::cancellation_type::terminal); // nobody there

        slot.emplace<Handler>(calls, alive);
        CHECK(slot.has_handler());
        place.emit(asio::cancellation_type::terminal);
        CHECK(calls == 1);

        int others = 0;
        slot.emplace<small>(others, alive);
        CHECK(alive == 1);
        place.emit(asio::cancellation_type::terminal);
        CHECK(calls == 1);
        CHECK(others == 1);

        slot.clear();
        CHECK_FALSE(slot.has_handler());
        CHECK(alive == 0);
        slot.emplace<Handler>(calls, alive);
    }
    CHECK(alive == 0);
}

TEST_CASE("a place is one slot, by whichever type it is used")
{
    int here = 0;
    int there = 0;
    int alive = 0;
    cancellation_place place;
    const cancellation_place::slot slot(place);
    asio::cancellation_slot other = slot;

    slot.emplace<small>(here, alive);
    other.emplace<small>(there, alive);
    place.emit(asio::cancellation_type::terminal);
    CHECK(here == 0);
    CHECK(there == 1);

    slot.emplace<small>(here, alive);
    CHECK(alive == 1);
    CHECK_FALSE(other.has_handler());
    place.emit(asio::cancellation_type::terminal);
    CHECK(here == 1);
    CHECK(there == 1);

    int assigned = 0;
    slot.assign([&](asio::cancellation_type) { ++assigned; });
    place.emit(asio::cancellation_type::partial);
    CHECK(assigned == 1);
}

TEST_CASE("an operation that wants Asio's own slot is cancelled through it")
{
    thread_pool pool{2};
    for (int i = 0; i < 200; ++i) {
        auto r = co_spawn(pool, [](thread_pool& p) -> task<> { co_await async_until_cancelled(p.context(), use_task); }(pool));
        r.cancel();
        CHECK_THROWS_AS(r.get(), operation_cancelled);
    }
}
