// The protocol between the owner of a work_deque and its thieves, explored in every interleaving.
//
// A model of the atomic steps of work_deque: push, pop and growth by the owner, steal by the thieves. Memory is that of x86: loads and
// stores happen in the order of the program, but the owner's stores wait in a buffer, which it sees itself and the others do not
// until an entry drains, at any time later; an exchange drains first. The thieves store nothing but by exchange, so they need no
// buffer. A depth-first search goes through all states that can be reached and looks for a job that is taken twice, or lost.
#include <tandem/base/config.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace {

enum class barrier { asymmetric, fences, none };

constexpr int thieves = 2;

// Plain bytes, all of them part of the identity of the state.
struct state {
    // Memory. The slots of two rings, of 2 and of 4 places: the second comes into use when the first is full.
    std::int8_t top = 0, bottom = 0, ring = 0;
    std::array<std::int8_t, 6> slots{};

    struct store {
        std::int8_t to = 0, value = 0;
    };
    std::array<store, 10> buffer{}; // the owner's, oldest first; when it is full the owner waits
    std::int8_t buffered = 0;

    struct {
        std::int8_t operation = 0, step = 0, b = 0, top_seen = 0, pushed = 0;
    } owner;
    struct thief {
        std::int8_t step = 0, t = 0, ring = 0, job = 0, attempts = 0;
    };
    std::array<thief, thieves> thief;

    std::uint8_t taken = 0; // a bit for each job
};

// What a store may go to.
constexpr std::int8_t to_bottom = 10;
constexpr std::int8_t to_ring = 11; // below: a slot

constexpr int capacity(int ring) { return ring == 0 ? 2 : 4; }
constexpr int place(int ring, int index) { return ring == 0 ? index & 1 : 2 + (index & 3); }

class explorer {
public:
    explorer(std::string_view script, int attempts, barrier b) : script_(script), attempts_(attempts), barrier_(b) {}

    // The first trouble found, or nothing.
    std::string run()
    {
        todo_.push_back({});
        seen_.insert(key(todo_.back()));
        while (!todo_.empty() && trouble_.empty()) {
            const state s = todo_.back();
            todo_.pop_back();
            bool moved = false;
            if (s.buffered > 0) {
                state n = s;
                drain_one(n);
                reached(n);
                moved = true;
            }
            moved = step_owner(s) || moved;
            for (int k = 0; k < thieves; ++k)
                moved = step_thief(s, k) || moved;
            if (!moved)
                check_end(s);
        }
        return trouble_;
    }

    [[nodiscard]] std::size_t states() const { return seen_.size(); }
    [[nodiscard]] bool grew() const { return grew_; }

private:
    static std::string key(const state& s) { return {reinterpret_cast<const char*>(&s), sizeof s}; }

    void reached(const state& s)
    {
        if (seen_.insert(key(s)).second)
            todo_.push_back(s);
    }

    static void write(state& s, std::int8_t to, std::int8_t value)
    {
        (to == to_bottom ? s.bottom : to == to_ring ? s.ring : s.slots[static_cast<std::size_t>(to)]) = value;
    }
    static void drain_one(state& s)
    {
        write(s, s.buffer[0].to, s.buffer[0].value);
        for (std::size_t k = 1; k < s.buffer.size(); ++k)
            s.buffer[k - 1] = s.buffer[k];
        s.buffer.back() = {};
        --s.buffered;
    }
    static void drain_all(state& s)
    {
        while (s.buffered > 0)
            drain_one(s);
    }
    static void store(state& s, std::int8_t to, int value)
    {
        s.buffer[static_cast<std::size_t>(s.buffered++)] = {to, static_cast<std::int8_t>(value)};
    }
    // What the owner sees: its own newest store.
    static int owners(const state& s, std::int8_t from)
    {
        for (int k = s.buffered; k-- > 0;)
            if (s.buffer[static_cast<std::size_t>(k)].to == from)
                return s.buffer[static_cast<std::size_t>(k)].value;
        return from == to_bottom ? s.bottom : from == to_ring ? s.ring : s.slots[static_cast<std::size_t>(from)];
    }

    void take(state& s, int job)
    {
        const auto bit = static_cast<std::uint8_t>(1 << job);
        if (s.taken & bit)
            trouble_ = "job " + std::to_string(job) + " was taken twice";
        s.taken |= bit;
    }

    // One access of the owner to memory that others use. False when it has nothing more to do, or waits for its buffer.
    bool step_owner(const state& before)
    {
        constexpr int most_stores_in_a_step = 3;
        if (static_cast<std::size_t>(before.owner.operation) == script_.size() ||
            static_cast<std::size_t>(before.buffered + most_stores_in_a_step) > before.buffer.size())
            return false;
        state s = before;
        auto& o = s.owner;
        const int bottom = owners(s, to_bottom);
        const int ring = owners(s, to_ring);
        const auto slot = [&](int r, int index) { return static_cast<std::int8_t>(place(r, index)); };
        const auto next_operation = [&] {
            ++o.operation;
            o.step = 0;
            o.b = 0;
        };
        if (script_[static_cast<std::size_t>(o.operation)] == '+')
            switch (o.step) {
            case 0: // is there room, as far as the owner knows?
                o.step = bottom - o.top_seen >= capacity(ring) ? 1 : 3;
                break;
            case 1:
                o.top_seen = s.top;
                o.step = bottom - o.top_seen >= capacity(ring) ? 2 : 3;
                break;
            case 2: // grow: copy, then publish
                REQUIRE(ring == 0);
                for (int i = o.top_seen; i < bottom; ++i)
                    store(s, slot(1, i), owners(s, slot(0, i)));
                store(s, to_ring, 1);
                grew_ = true;
                o.step = 3;
                break;
            case 3:
                store(s, slot(ring, bottom), ++o.pushed);
                o.step = 4;
                break;
            default:
                store(s, to_bottom, bottom + 1);
                next_operation();
            }
        else if (script_[static_cast<std::size_t>(o.operation)] == '^') {
            if (o.step == 0) { // is there one?
                o.b = s.top;
                if (o.b < bottom)
                    o.step = 1;
                else
                    next_operation();
            }
            else if (s.buffered > 0) // the exchange
                return false;
            else {
                if (s.top == o.b) {
                    ++s.top;
                    take(s, owners(s, slot(ring, o.b)));
                }
                next_operation();
            }
        }
        else
            switch (o.step) {
            case 0: // the quick look
                if (bottom - 1 < s.top)
                    next_operation();
                else
                    o.step = 1;
                break;
            case 1:
                o.b = static_cast<std::int8_t>(bottom - 1);
                store(s, to_bottom, o.b);
                o.step = 2;
                break;
            case 2: // past the light barrier
                if (barrier_ == barrier::fences && s.buffered > 0)
                    return false;
                if (s.top < o.b) {
                    take(s, owners(s, slot(ring, o.b)));
                    next_operation();
                }
                else
                    o.step = s.top == o.b ? 3 : 4;
                break;
            case 3: // the exchange
                if (s.buffered > 0)
                    return false;
                if (s.top == o.b) {
                    ++s.top;
                    take(s, owners(s, slot(ring, o.b)));
                }
                o.step = 4;
                break;
            default:
                store(s, to_bottom, o.b + 1);
                next_operation();
            }
        reached(s);
        return true;
    }

    bool step_thief(const state& before, int which)
    {
        state s = before;
        auto& t = s.thief[static_cast<std::size_t>(which)];
        if (t.attempts == attempts_)
            return false;
        const auto give_up = [&] { t = {.attempts = static_cast<std::int8_t>(t.attempts + 1)}; };
        switch (t.step) {
        case 0:
            t.t = s.top;
            t.step = 1;
            break;
        case 1: // the cheap look
            if (t.t >= s.bottom)
                give_up();
            else
                t.step = 2;
            break;
        case 2: // the heavy barrier
            if (barrier_ == barrier::asymmetric)
                drain_all(s);
            t.step = 3;
            break;
        case 3:
            if (t.t >= s.bottom)
                give_up();
            else
                t.step = 4;
            break;
        case 4:
            t.ring = s.ring;
            t.step = 5;
            break;
        case 5:
            t.job = s.slots[static_cast<std::size_t>(place(t.ring, t.t))];
            t.step = 6;
            break;
        default:
            if (s.top == t.t) {
                ++s.top;
                take(s, t.job);
            }
            give_up();
        }
        reached(s);
        return true;
    }

    // Everybody is done: what was not taken is still there.
    void check_end(const state& s)
    {
        std::uint8_t there = 0;
        for (int i = s.top; i < s.bottom; ++i)
            there |= static_cast<std::uint8_t>(1 << s.slots[static_cast<std::size_t>(place(s.ring, i))]);
        const auto all = static_cast<std::uint8_t>(((1 << s.owner.pushed) - 1) << 1);
        if ((there & s.taken) != 0)
            trouble_ = "a job was taken and is still there";
        else if ((there | s.taken) != all)
            trouble_ = "a job was lost";
    }

    const std::string_view script_;
    const int attempts_;
    const barrier barrier_;
    std::vector<state> todo_;
    std::unordered_set<std::string> seen_;
    std::string trouble_;
    bool grew_ = false;
};

struct scenario {
    const char* script; // of the owner: + pushes, - pops, ^ takes the oldest
    int attempts;       // of each thief
};
// Few jobs, so that all meet at the last one; and enough to wrap round and to grow.
constexpr std::array scenarios{
    scenario{"+-", 3},
    scenario{"++--", 2},
    scenario{"+-+-", 2},
    scenario{"++-+-", 2},
    scenario{"+-++--", 2},
    scenario{"+++--", 2},
    scenario{"++-++-", 1},
    scenario{"++++", 2},
    scenario{"+^-", 3},
    scenario{"++^-", 2},
    scenario{"++-^", 2},
    scenario{"+^+-", 2},
};

} // namespace

TEST_CASE("no job of a work_deque is lost or taken twice, whoever is how fast")
{
    bool grew = false;
    std::size_t states = 0;
    for (const barrier b : {barrier::asymmetric, barrier::fences})
        for (const scenario& s : scenarios) {
            INFO(std::string(s.script));
            explorer e(s.script, TANDEM_TSAN ? 1 : s.attempts, b);
            CHECK(e.run() == "");
            states += e.states();
            grew = grew || e.grew();
        }
    CHECK(grew);
    MESSAGE(states << " states");
}

TEST_CASE("the model finds the job that is taken twice where there is no barrier")
{
    explorer e("++--", 2, barrier::none);
    CHECK(e.run().find("taken twice") != std::string::npos);
}
