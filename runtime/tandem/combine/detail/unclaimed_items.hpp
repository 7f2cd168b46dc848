#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace tandem::detail {

/// The items of a loop that nobody has claimed yet: an interval, from both ends of which participants claim. Who always claims from the
/// same end gets mostly the same items when a loop is run again, and finds in its cache what it wrote there.
class unclaimed_items {
public:
    enum class side : bool { front, back };
    struct interval {
        std::size_t begin;
        std::size_t end;
        bool was_last; // nothing is left after it
    };

    explicit unclaimed_items(std::size_t count) noexcept
        : count_(count), unit_((count >> 31) + 1), whole_units_(count / unit_), ends_(word(0, whole_units_ + (count % unit_ != 0)))
    {
    }

    /// A snapshot.
    [[nodiscard]] std::size_t left() const noexcept { return size_of(ends_.load(std::memory_order_relaxed)); }
    /// Claims `items`, or what is left; of more than two billion, a few more or less.
    [[nodiscard]] std::optional<interval> claim(std::size_t items, side from) noexcept
    {
        const std::uint64_t wanted = std::max<std::uint64_t>(items / unit_, 1);
        // Relaxed throughout: who claims gets indices and no data; what was done with the items is published elsewhere.
        std::uint64_t now = ends_.load(std::memory_order_relaxed);
        for (;;) {
            const std::uint64_t left = back(now) - front(now);
            if (left == 0)
                return std::nullopt;
            const std::uint64_t n = std::min(wanted, left);
            const bool at_front = from == side::front;
            const std::uint64_t then = at_front ? word(front(now) + n, back(now)) : word(front(now), back(now) - n);
            if (ends_.compare_exchange_weak(now, then, std::memory_order_relaxed))
                return at_front ? interval{item(front(now)), item(front(then)), n == left}
                                : interval{item(back(then)), item(back(now)), n == left};
        }
    }
    /// Claims all that are left, for nobody; returns how many.
    std::size_t give_up() noexcept { return size_of(ends_.exchange(0, std::memory_order_relaxed)); }

private:
    // Both ends are in one word, counted in units: of so many items that 31 bits do.
    static constexpr std::uint64_t word(std::uint64_t front, std::uint64_t back) noexcept { return back << 32 | front; }
    static constexpr std::uint64_t front(std::uint64_t w) noexcept { return w & 0xffff'ffff; }
    static constexpr std::uint64_t back(std::uint64_t w) noexcept { return w >> 32; }

    [[nodiscard]] std::size_t item(std::uint64_t place) const noexcept
    {
        const auto p = static_cast<std::size_t>(place);
        return p <= whole_units_ ? p * unit_ : count_; // the last unit may be a part of one
    }
    [[nodiscard]] std::size_t size_of(std::uint64_t w) const noexcept { return item(back(w)) - item(front(w)); }

    const std::size_t count_;
    const std::size_t unit_;
    const std::size_t whole_units_;
    std::atomic<std::uint64_t> ends_;
};

} // namespace tandem::detail
