#pragma once

#include <tandem/task/timer.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>

namespace tandem {

/// Timers in order of their deadlines: intrusive, nothing is allocated. No thread safety: the owner has a lock.
///
/// A hierarchical timing wheel (Varghese and Lauck, "Hashed and Hierarchical Timing Wheels", SOSP 1987), whose slots lie at absolute
/// times, of 66 microseconds at the lowest level; and for the current one a pairing heap (Fredman, Sedgewick, Sleator and Tarjan,
/// "The Pairing Heap", Algorithmica 1986), so that expiry is exact to the nanosecond. To start and to stop a timer costs O(1), and
/// most timers are timeouts, which are stopped before they ever come to the heap. A timer that expires moves once per level, twice
/// when it was set to some seconds, and then costs O(log n) in the timers of its slot. For implementers of contexts.
class timer_wheel {
public:
    static constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();

    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): 48 KiB of slots, for a loop that may never see a timer
    timer_wheel() noexcept {}
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
    static constexpr int tick_bits = 16; // a tick is 66 microseconds: some sixty timers, when a million sleep for a second
    static constexpr int slot_bits = 8;
    static constexpr std::size_t slots = std::size_t{1} << slot_bits;
    static constexpr std::size_t levels = 6; // 16 + 6 * 8 bits: all that there are

    struct place {
        std::size_t level;
        std::size_t slot;
    };

    static std::uint64_t bit(std::size_t slot) noexcept { return std::uint64_t{1} << (slot % 64); }
    [[nodiscard]] place first_slot() const noexcept;
    [[nodiscard]] std::uint64_t start_of(place p) const noexcept;
    void insert(timer& t) noexcept;
    void remove(timer& t) noexcept;
    bool advance(std::uint64_t tick) noexcept;

    void push_heap(timer& t) noexcept;
    void remove_from_heap(timer& t) noexcept;
    static timer* timer_of(job* j) noexcept { return static_cast<timer*>(j); }
    void clear_bit_if_empty(job** list) noexcept;
    static timer* meld(timer* a, timer* b) noexcept;
    static timer* meld_siblings(timer* first) noexcept;
    void make_root(timer* t) noexcept;

    // A slot's timers are dealt out to several lists: of one list the next timer is known only when the last has come from memory.
    static constexpr std::size_t lists = 4;
    using slot_lists = job* [lists]; // always timers; see timer::next_timer_

    slot_lists slot_[levels][slots]; // not set while a slot is empty
    std::uint32_t dealt_ = 0;
    std::uint64_t occupied_[levels][slots / 64] = {}; // a bit per slot
    std::uint64_t tick_ = 0;                          // what is due in it, or before, is in the heap
    job* heap_ = nullptr;
    std::size_t size_ = 0;
};

} // namespace tandem
