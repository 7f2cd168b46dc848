#pragma once

#include <tandem/task/timer.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>

namespace tandem {

/// Timers in order of their deadlines: intrusive, nothing is allocated. No thread safety: the owner has a lock.
///
/// A hierarchical timing wheel (Varghese and Lauck, "Hashed and Hierarchical Timing Wheels", SOSP 1987), whose slots lie at absolute
/// times, of 16 microseconds at the lowest level; and for the current one a pairing heap (Fredman, Sedgewick, Sleator and Tarjan,
/// "The Pairing Heap", Algorithmica 1986), so that expiry is exact to the nanosecond. To start and to stop a timer costs O(1), and
/// most timers are timeouts, which are stopped before they ever come to the heap. A timer that expires moves once per level, four times
/// when it was set to half a minute, and then costs O(log n) in the timers of its slot. For implementers of contexts.
class timer_wheel {
public:
    static constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();

    timer_wheel() noexcept = default;
    timer_wheel(const timer_wheel&) = delete;
    timer_wheel& operator=(const timer_wheel&) = delete;

    /// Puts `t` in; false when it was stopped already.
    bool start(timer& t) noexcept;
    /// Takes `t` out; false when it has expired. A fresh one is only marked, so that `start` will refuse it, and gives false.
    bool stop(timer& t) noexcept;
    /// Takes out, and marks as expired, the first timer whose deadline is not after `now_ns`; null when there is none.
    timer* pop_expired(std::int64_t now_ns) noexcept;
    /// Takes out any timer, as `stop` does; null when there is none.
    timer* stop_any() noexcept;

    /// When to look again: not after the first deadline, and `never` when the wheel is empty. Where one or a few timers are all there is
    /// in the next slot it is their deadline; else it may be up to a slot before.
    [[nodiscard]] std::int64_t next_look() const noexcept;
    [[nodiscard]] bool empty() const noexcept { return size_ == 0; }

private:
    static constexpr int tick_bits = 14; // a tick is 16 microseconds: some ten timers, when a million sleep for a second
    static constexpr int slot_bits = 6;
    static constexpr std::size_t slots = std::size_t{1} << slot_bits;
    static constexpr std::size_t levels = 9; // 14 + 9 * 6 bits: more than there are

    struct place {
        std::size_t level;
        std::size_t slot;
    };

    [[nodiscard]] place first_slot() const noexcept;
    [[nodiscard]] std::uint64_t start_of(place p) const noexcept;
    void insert(timer& t) noexcept;
    void remove(timer& t) noexcept;
    bool advance(std::uint64_t tick) noexcept;

    void push_heap(timer& t) noexcept;
    void remove_from_heap(timer& t) noexcept;
    static timer* timer_of(job* j) noexcept { return static_cast<timer*>(j); }
    static timer* meld(timer* a, timer* b) noexcept;
    static timer* meld_siblings(timer* first) noexcept;
    void make_root(timer* t) noexcept;

    // Always timers; see timer::next_timer_.
    job* slot_[levels][slots] = {};
    std::uint64_t occupied_[levels] = {}; // a bit per slot
    std::uint64_t tick_ = 0;              // what is due in it, or before, is in the heap
    job* heap_ = nullptr;
    std::size_t size_ = 0;
};

} // namespace tandem
