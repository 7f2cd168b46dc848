// Many threads at both ends of a channel, some of them stopped: nothing is lost, nothing comes twice.
#include "sync/support.hpp"

#include <tandem/pool/co_spawn.hpp>
#include <tandem/pool/thread_pool.hpp>
#include <tandem/sync/channel.hpp>
#include <tandem/task/sync_wait.hpp>

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

using namespace tandem;
using namespace tandem::test;

namespace {

constexpr int producers = 4;
constexpr int consumers = 4;
constexpr std::size_t unbounded = ~std::size_t{0};

struct item {
    int producer;
    int number;
};
using item_channel = channel<std::unique_ptr<item>>;

std::unique_ptr<item_channel> make(std::size_t capacity)
{
    if (capacity == unbounded)
        return std::unique_ptr<item_channel>(new item_channel(item_channel::unbounded()));
    return std::make_unique<item_channel>(capacity);
}

// Counts what arrives, and checks that each producer's values reach one consumer in order.
class account {
public:
    explicit account(int each) : each_(each), seen_(static_cast<std::size_t>(producers * each)) {}

    void arrived(const item& i)
    {
        if (seen_[static_cast<std::size_t>(i.producer * each_ + i.number)].fetch_add(1, std::memory_order_relaxed) != 0)
            ++doubled_;
    }
    void check() const
    {
        int lost = 0;
        for (const auto& n : seen_)
            lost += n.load() == 0;
        CHECK(lost == 0);
        CHECK(doubled_ == 0);
    }

private:
    int each_;
    std::vector<std::atomic<int>> seen_;
    std::atomic<int> doubled_{0};
};

task<> produces(item_channel& c, int self, int each)
{
    for (int k = 0; k < each; ++k)
        co_await c.send(std::make_unique<item>(item{self, k}));
}

task<bool> consumes(item_channel& c, account& a)
{
    std::array<int, producers> last;
    last.fill(-1);
    bool in_order = true;
    while (const auto v = co_await c.receive()) {
        const item& i = **v;
        in_order = in_order && i.number > std::exchange(last[static_cast<std::size_t>(i.producer)], i.number);
        a.arrived(i);
    }
    co_return in_order;
}

// One send or receive after the other, each of which somebody may stop: then it is done again.
task<> sends_stubbornly(item_channel& c, int self, int each, stop_slot& slot, std::atomic<int>& stopped, thread_pool& pool)
{
    jitter random(static_cast<unsigned>(self) + 1);
    for (int k = 0; k < each; ++k) {
        auto value = std::make_unique<item>(item{self, k});
        const auto sends = [&]() -> task<> {
            auto send = c.send(std::move(value));
            bool failed = false;
            try {
                co_await send;
            }
            catch (const operation_cancelled&) {
                failed = true;
            }
            if (failed) {
                value = std::move(send.value());
                ++stopped;
            }
        };
        while (value) {
            slot.open();
            if (random.below(3) == 0)
                pool.apply_async([&slot] { slot.stop(); });
            co_await under(slot.token(), sends());
            slot.close();
        }
    }
}

task<> receives_stubbornly(item_channel& c, account& a, stop_slot& slot, std::atomic<int>& stopped, thread_pool& pool)
{
    jitter random(99);
    bool open = true;
    const auto receives = [&]() -> task<> {
        try {
            if (const auto v = co_await c.receive())
                a.arrived(**v);
            else
                open = false;
        }
        catch (const operation_cancelled&) {
            ++stopped;
        }
    };
    while (open) {
        slot.open();
        if (random.below(3) == 0)
            pool.apply_async([&slot] { slot.stop(); });
        co_await under(slot.token(), receives());
        slot.close();
    }
}

// A value that fills `Bytes`, and knows of itself which it is.
template <std::size_t Bytes>
struct numbered {
    explicit numbered(int n) noexcept { bytes.fill(static_cast<unsigned char>(n % 251)); }
    [[nodiscard]] bool is(int n) const noexcept { return bytes == numbered(n).bytes; }
    std::array<unsigned char, Bytes> bytes;
};

template <std::size_t Bytes>
task<> sends_numbers(channel<numbered<Bytes>>& c, int count)
{
    for (int n = 0; n < count; ++n)
        co_await c.send(numbered<Bytes>(n));
    c.close();
}
template <std::size_t Bytes>
task<int> receives_numbers(channel<numbered<Bytes>>& c)
{
    int next = 0;
    while (const auto value = co_await c.receive()) {
        if (!value->is(next))
            co_return -1;
        ++next;
    }
    co_return next;
}
template <std::size_t Bytes>
void one_behind_the_other(channel<numbered<Bytes>> c)
{
    constexpr int count = scaled(200'000, 100'000, 20'000);
    CAPTURE(Bytes);
    CAPTURE(c.capacity());
    thread_pool pool{1};
    auto received = co_spawn(pool, receives_numbers(c));
    sync_wait(sends_numbers(c, count)); // on a thread of its own
    CHECK(received.get() == count);
}
template <std::size_t Bytes>
void of_all_capacities()
{
    using numbers = channel<numbered<Bytes>>;
    one_behind_the_other<Bytes>(numbers(100));
    one_behind_the_other<Bytes>(numbers(5'000));
    one_behind_the_other<Bytes>(numbers::unbounded());
}

} // namespace

TEST_CASE("stress: a receiver close behind a sender gets values of any size whole and in order")
{
    of_all_capacities<1>();
    of_all_capacities<8>();
    of_all_capacities<24>();
    of_all_capacities<200>(); // several cache lines, and not whole ones
}

TEST_CASE("stress: producers and consumers on a pool and on threads of their own")
{
    constexpr int each = scaled(20'000, 10'000, 4'000);
    for (const std::size_t capacity : {std::size_t{0}, std::size_t{1}, std::size_t{7}, std::size_t{1'000}, unbounded}) {
        CAPTURE(capacity);
        const auto c = make(capacity);
        account a(each);
        thread_pool pool{2};
        std::vector<async_result<void>> sending;
        std::vector<async_result<bool>> receiving;
        for (int k = 1; k < producers; ++k)
            sending.push_back(co_spawn(pool, produces(*c, k, each)));
        for (int k = 1; k < consumers; ++k)
            receiving.push_back(co_spawn(pool, consumes(*c, a)));
        std::thread visitor([&] { // never waits
            while (!c->is_closed())
                if (const auto v = c->try_receive())
                    a.arrived(**v);
                else
                    std::this_thread::yield();
        });
        std::thread own_consumer([&] { CHECK(sync_wait(consumes(*c, a))); });
        sync_wait(produces(*c, 0, each));
        for (auto& s : sending)
            s.get();
        c->close();
        for (auto& r : receiving)
            CHECK(r.get());
        visitor.join();
        own_consumer.join();
        a.check();
    }
}

TEST_CASE("stress: sends and receives are stopped at random and done again")
{
    constexpr int each = scaled(4'000, 2'000, 1'000);
    for (const std::size_t capacity : {std::size_t{0}, std::size_t{1}, std::size_t{5}, unbounded}) {
        CAPTURE(capacity);
        const auto c = make(capacity);
        account a(each);
        std::array<stop_slot, producers + consumers> slots;
        std::atomic<int> stopped_sends{0};
        std::atomic<int> stopped_receives{0};
        thread_pool pool{3};
        const random_stops stops(slots);
        std::vector<async_result<void>> sending;
        std::vector<async_result<void>> receiving;
        for (int k = 0; k < consumers; ++k)
            receiving.push_back(
                co_spawn(pool, receives_stubbornly(*c, a, slots[static_cast<std::size_t>(producers + k)], stopped_receives, pool)));
        for (int k = 0; k < producers; ++k)
            sending.push_back(
                co_spawn(pool, sends_stubbornly(*c, k, each, slots[static_cast<std::size_t>(k)], stopped_sends, pool)));
        for (auto& s : sending)
            s.get();
        c->close();
        for (auto& r : receiving)
            r.get();
        a.check();
        CHECK(c->size() == 0);
        MESSAGE("stopped sends " << stopped_sends.load() << ", receives " << stopped_receives.load());
    }
}

TEST_CASE("stress: close comes while all are at it; what was sent is received")
{
    constexpr int rounds = scaled(400, 200, 100);
    for (int round = 0; round < rounds; ++round) {
        const auto c =
            make(std::array{std::size_t{0}, std::size_t{1}, std::size_t{4}, unbounded}[static_cast<std::size_t>(round % 4)]);
        std::atomic<int> sent{0};
        std::atomic<int> received{0};
        const auto sends = [&]() -> task<> {
            try {
                for (;;) {
                    co_await c->send(std::make_unique<item>());
                    ++sent;
                }
            }
            catch (const channel_closed&) {
            }
        };
        const auto receives = [&]() -> task<> {
            while (co_await c->receive())
                ++received;
        };
        {
            thread_pool pool{2};
            for (int k = 0; k < 3; ++k) {
                co_spawn(pool, receives);
                co_spawn(pool, sends);
            }
            jitter random(static_cast<unsigned>(round));
            random.spin(50'000);
            c->close();
        }
        CHECK(sent == received);
        CHECK(c->size() == 0);
    }
}
