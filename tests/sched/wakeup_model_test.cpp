// The protocol by which pushers of jobs and workers that go idle do not miss each other, explored in every interleaving.
//
// A model of the atomic steps of scheduler: of a push and its notification, and of pumps that search, find, leave the search and retire.
// Memory is that of x86, as in work_deque_model_test.cpp: a pusher's store to its queue waits in a buffer until it drains, at any time; an
// exchange on the state, a full barrier, or somebody's heavy barrier drains it. Every job and every pusher keeps its thread for ever, so
// a job that nobody has taken when nothing moves any more is one whose wake-up was lost.
#include <tandem/base/config.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

namespace {

/// How a pusher comes to its push, and what it does then.
enum class pusher : std::uint8_t {
    none,
    outside, // an exchange makes its push visible
    handler, // without a place: a full barrier
    placed,  // with a place in the state: a light barrier
    sharing, // the same, and lays its fork out for thieves if they search
    placing, // takes a place first
    blocking // with a place, which it gives up after the push
};

struct mutation {
    bool heavy_barrier = true; // of a pump that does not leave alone
    bool full_barrier = true;  // of a handler
    bool looks_if_last = true; // of a pump that leaves because others search
};

constexpr std::size_t queues = 2; // one for each pusher
constexpr std::size_t pumps = 6;  // more than have places: who retires looks on for a while

// Plain bytes, all of them part of the identity of the state.
struct state {
    std::int8_t running = 0, searching = 0;
    std::array<std::int8_t, queues> queue{};
    std::array<std::int8_t, queues> buffered{};
    struct {
        std::int8_t step = 0, before = 0;
    } push[queues];
    struct pump {
        std::int8_t step = 0, queue = 0, before = 0, looks = 0, retires = 0;
    };
    std::array<pump, pumps> pump;
};

// The steps of a pump.
enum : std::int8_t { absent, search, found, look, barrier, look_again, wake, retire, leave, come_back, busy };
// The steps of a pusher.
enum : std::int8_t {
    arrive,
    store_private,
    hungry,
    take_out,
    store,
    fence,
    ask,
    wake_one,
    block,
    after_block,
    look_after,
    barrier_after,
    look_after_again,
    pushed
};

class explorer {
public:
    explorer(int threads, std::array<pusher, queues> kinds, bool finds_first, mutation m)
        : threads_(static_cast<std::int8_t>(threads)), kinds_(kinds), mutation_(m)
    {
        state s;
        s.running = s.searching = 1;
        s.pump[0].step = finds_first ? found : search;
        for (std::size_t k = 0; k < queues; ++k)
            if (kinds_[k] == pusher::none)
                s.push[k].step = pushed;
            else if (kinds_[k] == pusher::placed || kinds_[k] == pusher::sharing || kinds_[k] == pusher::blocking)
                ++s.running;
        reached(s);
    }

    /// Whether some job is never taken.
    bool loses_a_job()
    {
        bool lost = false;
        while (!todo_.empty() && !lost) {
            const state s = todo_.back();
            todo_.pop_back();
            bool moved = false;
            for (std::size_t k = 0; k < queues; ++k) {
                if (s.buffered[k]) {
                    state n = s;
                    drain(n, k);
                    reached(n);
                    moved = true;
                }
                moved = step_pusher(s, k) || moved;
            }
            for (std::size_t k = 0; k < pumps; ++k)
                moved = step_pump(s, k) || moved;
            if (!moved)
                for (const std::int8_t jobs : s.queue)
                    lost = lost || jobs > 0;
        }
        return lost;
    }

private:
    void reached(const state& s)
    {
        if (seen_.insert(std::string(reinterpret_cast<const char*>(&s), sizeof s)).second)
            todo_.push_back(s);
    }

    static void drain(state& s, std::size_t k)
    {
        s.queue[k] = static_cast<std::int8_t>(s.queue[k] + std::exchange(s.buffered[k], std::int8_t{0}));
    }
    static void drain_all(state& s)
    {
        for (std::size_t k = 0; k < queues; ++k)
            drain(s, k);
    }
    [[nodiscard]] bool somebody_idles(const state& s) const { return s.searching == 0 && s.running < threads_; }

    /// wake_one: the exchange that takes a place, and the pump that was posted.
    void wake_a_pump(state& s) const
    {
        if (!somebody_idles(s))
            return;
        for (auto& p : s.pump)
            if (p.step == absent) {
                ++s.running;
                ++s.searching;
                p = {.step = search};
                return;
            }
        FAIL("more pumps than there are places");
    }

    bool step_pusher(const state& before, std::size_t k)
    {
        state s = before;
        auto& p = s.push[k];
        const pusher kind = kinds_[k];
        switch (p.step) {
        case arrive:
            if (kind == pusher::placing) {
                if (s.running == threads_)
                    return false;
                ++s.running;
            }
            p.step = kind == pusher::sharing ? store_private : store;
            break;
        case store_private:
            s.buffered[k] = 1;
            p.step = hungry;
            break;
        case hungry:
            p.step = s.searching > 0 || s.running != threads_ ? take_out : pushed;
            break;
        case take_out: // unless a thief was faster
            drain(s, k);
            p.step = s.queue[k] > 0 ? store : ask;
            s.queue[k] = 0;
            break;
        case store:
            if (kind == pusher::outside)
                ++s.queue[k];
            else
                s.buffered[k] = 1;
            p.step = kind == pusher::handler && mutation_.full_barrier ? fence : ask;
            break;
        case fence:
            drain(s, k);
            p.step = ask;
            break;
        case ask:
            p.step = somebody_idles(s) ? wake_one : kind == pusher::blocking ? block : pushed;
            break;
        case wake_one:
            drain(s, k);
            wake_a_pump(s);
            p.step = kind == pusher::blocking ? block : pushed;
            break;
        case block:
            drain(s, k);
            p.before = s.running--;
            p.step = look_after;
            break;
        case look_after:
            p.step = has_work(s) ? after_block : p.before > 1 && mutation_.heavy_barrier ? barrier_after : pushed;
            break;
        case barrier_after:
            drain_all(s);
            p.step = look_after_again;
            break;
        case look_after_again:
            p.step = has_work(s) ? after_block : pushed;
            break;
        case after_block:
            wake_a_pump(s);
            p.step = pushed;
            break;
        default:
            return false;
        }
        reached(s);
        return true;
    }
    // In one step, for brevity, since a pusher that blocks looks only after the buffer of its own is empty.
    static bool has_work(const state& s) { return s.queue[0] > 0 || s.queue[1] > 0; }

    bool step_pump(const state& before, std::size_t which)
    {
        state s = before;
        auto& p = s.pump[which];
        if (p.step == search && s.searching > 1) { // it may find itself to be one too many
            p.step = leave;
            reached(s);
            s = before;
        }
        constexpr int most_looks = 1;
        const auto over_all_queues = [&](std::int8_t if_found, std::int8_t if_not) {
            if (s.queue[static_cast<std::size_t>(p.queue)] > 0) {
                p.queue = 0;
                p.step = if_found;
            }
            else if (++p.queue == queues) {
                p.queue = 0;
                p.step = if_not;
            }
        };
        switch (p.step) {
        case search:
            if (s.queue[static_cast<std::size_t>(p.queue)] > 0) {
                --s.queue[static_cast<std::size_t>(p.queue)];
                p.queue = 0;
                p.step = found;
            }
            else if (++p.queue == queues) {
                p.queue = 0;
                if (++p.looks == most_looks)
                    p.step = retire;
            }
            break;
        case found: {
            p.before = s.running;
            const bool last = s.searching-- == 1;
            p.step = last && p.before < threads_ ? look : busy;
            break;
        }
        case look:
            over_all_queues(wake, p.before > 1 ? barrier : p.retires ? absent : busy);
            break;
        case barrier:
            if (mutation_.heavy_barrier)
                drain_all(s);
            p.step = look_again;
            break;
        case look_again:
            over_all_queues(wake, p.retires ? absent : busy);
            break;
        case wake:
            if (p.retires)
                p.step = come_back;
            else {
                wake_a_pump(s);
                p.step = busy;
            }
            break;
        case leave: // without a look, unless the others have retired meanwhile
            if (s.searching > 1 || !mutation_.looks_if_last) {
                --s.searching;
                --s.running;
                p.step = absent;
                break;
            }
            [[fallthrough]];
        case retire:
            --s.searching;
            p.before = s.running--;
            p.retires = 1;
            p.step = look;
            break;
        case come_back:
            if (s.running < threads_) {
                ++s.running;
                ++s.searching;
                p = {.step = search};
            }
            else
                p = {};
            break;
        default:
            return false;
        }
        if (p.step == absent)
            p = {};
        reached(s);
        return true;
    }

    const std::int8_t threads_;
    const std::array<pusher, queues> kinds_;
    const mutation mutation_;
    std::vector<state> todo_;
    std::unordered_set<std::string> seen_;
};

bool loses_a_job(int threads, std::array<pusher, queues> kinds, bool finds_first, mutation m = {})
{
    explorer e(threads, kinds, finds_first, m);
    return e.loses_a_job();
}

constexpr std::array all_kinds{
    pusher::outside, pusher::handler, pusher::placed, pusher::sharing, pusher::placing, pusher::blocking};

bool has_place(pusher p) { return p == pusher::placed || p == pusher::sharing || p == pusher::placing; }

} // namespace

TEST_CASE("no wake-up is lost, whoever pushes while a worker goes idle")
{
    for (const bool finds_first : {false, true})
        for (const pusher a : all_kinds) {
            INFO("pusher " << static_cast<int>(a) << ", the worker finds a job: " << finds_first);
            // Room for the job that the worker has, for the pusher's place, and for the job that is pushed.
            const int threads = finds_first + has_place(a) + 1;
            CHECK_FALSE(loses_a_job(threads + (a == pusher::blocking && !finds_first), {a, pusher::none}, finds_first));
            if (TANDEM_TSAN || TANDEM_ASAN)
                continue; // the model is the same there, and slow
            for (const pusher b : all_kinds) {
                if (b < a)
                    continue;
                INFO("and pusher " << static_cast<int>(b));
                const int for_both = threads + has_place(b) + 1;
                const int before_blocking = 1 + (a == pusher::blocking) + (b == pusher::blocking) + has_place(a) + has_place(b);
                CHECK_FALSE(loses_a_job(std::max(for_both, before_blocking), {a, b}, finds_first));
            }
        }
}

TEST_CASE("the model finds the wake-up that is lost without a barrier, or without a look")
{
    CHECK(loses_a_job(2, {pusher::outside, pusher::outside}, false, {.looks_if_last = false}));
    CHECK(loses_a_job(3, {pusher::placed, pusher::none}, true, {.heavy_barrier = false}));
    CHECK(loses_a_job(2, {pusher::placed, pusher::none}, false, {.heavy_barrier = false}));
    CHECK(loses_a_job(2, {pusher::handler, pusher::none}, true, {.full_barrier = false}));
    CHECK(loses_a_job(1, {pusher::handler, pusher::none}, false, {.full_barrier = false}));
}
