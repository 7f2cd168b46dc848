// The values inside a channel: a queue whose two ends can be worked on at the same time.
#pragma once

#include <tandem/base/config.hpp>
#include <tandem/sync/detail/spin_lock.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>

namespace tandem::detail {

/// A queue of at most `capacity` values. Each end has a lock of its own, and each holder of one remembers what it last saw of the
/// other end: while there is room and there are values the two ends do not touch each other's cache lines.
///
/// The places do go from one end's processor to the other's and back. So each is written to when it is left: a line that one has only read, both
/// have, and then the next store to it waits until the other has given it up, 160 ns where the two share no cache. No prefetch helps, since the
/// line is there; and a lock that is taken waits for all stores before it. A line that only one has comes in time, by the processor's own prefetch.
///
/// The values lie in blocks, each linked to the next: a bounded queue is one block linked to itself, allocated at once, so that
/// nothing later can fail; an unbounded one grows block by block, each twice as large up to 64 KiB, and keeps one that it has emptied.
template <class T>
class channel_buffer {
public:
    static constexpr std::size_t unbounded = std::numeric_limits<std::size_t>::max();

    explicit channel_buffer(std::size_t capacity) : capacity_(capacity)
    {
        if (capacity == 0)
            return;
        block* const first = make_block(capacity == unbounded ? page : capacity);
        if (capacity != unbounded)
            first->next = first;
        in_.enter(first);
        out_.enter(first);
    }
    channel_buffer(const channel_buffer&) = delete;
    channel_buffer& operator=(const channel_buffer&) = delete;
    ~channel_buffer()
    {
        while (has_value())
            drop();
        block* const first = out_.at;
        for (block* b = first; b != nullptr;) {
            block* const next = b->next;
            free_block(b);
            b = next == first ? nullptr : next;
        }
        if (block* const b = spare_.load(std::memory_order_relaxed))
            free_block(b);
    }

    [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
    /// A snapshot, from any thread.
    [[nodiscard]] std::size_t size() const noexcept
    {
        // In this order, so that it does not come out negative; and what was taken in between does not count as room.
        const std::size_t out = out_.count.load(std::memory_order_acquire);
        const std::size_t inside = in_.count.load(std::memory_order_acquire) - out;
        return inside < capacity_ ? inside : capacity_;
    }

    // --- under in_lock() ---

    [[nodiscard]] spin_lock& in_lock() noexcept { return in_.lock; }
    [[nodiscard]] TANDEM_ALWAYS_INLINE bool has_room() noexcept
    {
        const std::size_t in = in_.count.load(std::memory_order_relaxed);
        if (TANDEM_LIKELY(in - in_.other < capacity_))
            return true;
        // Acquire: the place that was given up is really empty. Pairs with the release in take().
        in_.other = out_.count.load(std::memory_order_acquire);
        return in - in_.other < capacity_;
    }
    /// Only when has_room(). When this throws nothing has changed.
    TANDEM_ALWAYS_INLINE void put(T&& value)
    {
        if (TANDEM_UNLIKELY(in_.place == in_.end))
            next_in();
        ::new (static_cast<void*>(in_.place)) T(std::move(value));
        ++in_.place;
        // Release: publishes the value, and the link to its block.
        in_.count.store(in_.count.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    }

    // --- under out_lock() ---

    [[nodiscard]] spin_lock& out_lock() noexcept { return out_.lock; }
    [[nodiscard]] TANDEM_ALWAYS_INLINE bool has_value() noexcept { return knows_of_value() || look_for_values(); }
    /// The same for who does not hold in_lock() as well: may wait for a microsecond or a few, so that more than a few come.
    [[nodiscard]] TANDEM_ALWAYS_INLINE bool has_value_from_afar() noexcept
    {
        if (knows_of_value())
            return true;
        if (TANDEM_UNLIKELY(out_.close_behind))
            spin_wait().pause();
        return look_for_values();
    }
    /// Only when has_value(). When this throws the value is still the first.
    TANDEM_ALWAYS_INLINE void take(std::optional<T>& to)
    {
        if (TANDEM_UNLIKELY(out_.place == out_.end))
            next_out();
        to.emplace(std::move(*out_.place));
        drop();
    }

private:
    struct block {
        block* next;
        std::size_t size; // in values
    };
    static constexpr std::size_t alignment = alignof(T) > alignof(block) ? alignof(T) : alignof(block);
    static constexpr std::size_t header = (sizeof(block) + alignof(T) - 1) / alignof(T) * alignof(T);
    static constexpr std::size_t some = 8;   // worth a wait
    static constexpr std::size_t many = 256; // what is sent, at its fastest, while one waits
    // The first block of an unbounded one, and the largest: the C library asks the system for each page that it grows by.
    static constexpr std::size_t page = sizeof(T) >= 512 ? 8 : sizeof(T) <= 8 ? 512 : 4096 / sizeof(T);
    static constexpr std::size_t most = std::max<std::size_t>(page, (64 << 10) / sizeof(T));

    struct alignas(cache_line) end_of_queue {
        void enter(block* b) noexcept
        {
            at = b;
            place = reinterpret_cast<T*>(reinterpret_cast<std::byte*>(b) + header);
            end = place + b->size;
        }

        spin_lock lock;
        T* place = nullptr; // where the next value goes or lies, unless it is the end of the block
        T* end = nullptr;
        block* at = nullptr;
        std::size_t other = 0;     // the other end's count when last looked at
        bool found_before = false; // of the receivers' end: what look_for_values() saw
        bool close_behind = false;
        // Values that passed here; written under the lock. The other end looks at it, and is not to take the lock's line away with it.
        alignas(cache_line) std::atomic<std::size_t> count{0};
    };

    static block* make_block(std::size_t size)
    {
        void* const memory = ::operator new(header + size * sizeof(T), std::align_val_t(alignment));
        return ::new (memory) block{nullptr, size};
    }
    static void free_block(block* b) noexcept { ::operator delete(b, std::align_val_t(alignment)); }

    [[nodiscard]] TANDEM_ALWAYS_INLINE bool knows_of_value() const noexcept
    {
        return TANDEM_LIKELY(out_.count.load(std::memory_order_relaxed) != out_.other);
    }

    // Each look at the other end's count takes its line away from there, and so does the value that is read next to where one is written. Who
    // finds values each time that it looks, but few, is close behind senders on other processors, and hinders them: it is to fall back.
    TANDEM_NOINLINE bool look_for_values() noexcept
    {
        out_.other = in_.count.load(std::memory_order_acquire); // pairs with the release in put()
        const std::size_t found = out_.other - out_.count.load(std::memory_order_relaxed);
        out_.close_behind = out_.found_before && found >= some && found < many && capacity_ > 4 * many;
        out_.found_before = found != 0;
        return found != 0;
    }
    TANDEM_NOINLINE void next_in()
    {
        if (in_.at->next == nullptr) {
            block* b = spare_.exchange(nullptr, std::memory_order_acquire); // sees that it was left
            if (b == nullptr)
                b = make_block(std::min(2 * in_.at->size, most));
            b->next = nullptr;
            in_.at->next = b; // published together with the first value in it
        }
        in_.enter(in_.at->next);
    }
    TANDEM_NOINLINE void next_out() noexcept
    {
        block* const left = out_.at;
        out_.enter(left->next);
        if (out_.at != left)
            if (block* const b = spare_.exchange(left, std::memory_order_acq_rel))
                free_block(b);
    }
    TANDEM_ALWAYS_INLINE void drop() noexcept
    {
        if (TANDEM_UNLIKELY(out_.place == out_.end))
            next_out();
        out_.place->~T();
        for (std::size_t k = 0; k < sizeof(T); k += cache_line) // see above; the last line of all is the next one's first
            *reinterpret_cast<volatile std::byte*>(reinterpret_cast<std::byte*>(out_.place) + k) = std::byte{};
        ++out_.place;
        out_.count.store(out_.count.load(std::memory_order_relaxed) + 1, std::memory_order_release); // the place is free
    }

    const std::size_t capacity_;
    std::atomic<block*> spare_{nullptr};
    end_of_queue in_;
    end_of_queue out_;
};

} // namespace tandem::detail
