#pragma once

#include <tandem/base/config.hpp>
#include <tandem/task/thread_state.hpp>

#include <cstddef>
#include <new>

namespace tandem {

namespace detail {

// 32 classes for up to 2 KiB, and 8 for up to 4 KiB, all of whole cache lines.
inline constexpr std::size_t small_classes = 32;
inline constexpr std::size_t large_granule = 4 * cache_line;
/// The class of blocks of `size` bytes, at least one; frame_classes or more: none.
constexpr std::size_t frame_class(std::size_t size) noexcept
{
    const std::size_t last = size - 1; // the last byte
    if (last < cache_line * small_classes)
        return last / cache_line;
    return last / large_granule + small_classes - cache_line * small_classes / large_granule;
}
constexpr std::size_t frame_block_size(std::size_t k) noexcept
{
    return k < small_classes ? (k + 1) * cache_line : (k + 1 - small_classes) * large_granule + cache_line * small_classes;
}
static_assert(frame_class(frame_block_size(31)) == 31 && frame_class(frame_block_size(31) + 1) == 32);
static_assert(frame_class(frame_block_size(39)) == 39 && frame_block_size(39) == 4096);

/// Blocks of no class. (Out of line also because GCC, where it sees into these, takes the operators of a promise for mismatched.)
[[nodiscard]] void* large_frame_allocate(std::size_t size);
void large_frame_free(void* block) noexcept;
/// A block of a class of which there is none at hand.
[[nodiscard]] void* frame_refill(std::size_t k);
/// Takes a block for which there is no room.
void frame_overflow(void* block, std::size_t k) noexcept;

/// The blocks of class k that this thread has at hand.
class own_list {
public:
    TANDEM_ALWAYS_INLINE explicit own_list(std::size_t k) noexcept : at_(offsetof(thread_state, frames) + k * sizeof(size_class)) {}
    [[nodiscard]] TANDEM_ALWAYS_INLINE void** top() const noexcept { return own_.load<void**>(at_ + offsetof(size_class, top)); }
    [[nodiscard]] TANDEM_ALWAYS_INLINE void** base() const noexcept { return own_.load<void**>(at_ + offsetof(size_class, base)); }
    [[nodiscard]] TANDEM_ALWAYS_INLINE void** end() const noexcept { return own_.load<void**>(at_ + offsetof(size_class, end)); }
    TANDEM_ALWAYS_INLINE void set_top(void** top) const noexcept { own_.store(at_ + offsetof(size_class, top), top); }

private:
    own_state own_;
    std::size_t at_;
};

} // namespace detail

/// Memory for coroutine frames and call states: recycled blocks by size class, per thread.
///
/// `frame_allocate` returns a block of at least `size` bytes (which are one or more), aligned for any scalar; throws std::bad_alloc. Up to 4
/// KiB it is in cache lines of its own, and recycled; larger ones are operator new's. `frame_free` takes it back on any thread, with the
/// same size. Cost: a nanosecond when the thread has a block of that class. Each thread keeps up to 64 KiB per class and hands what is more
/// on to the others; the process keeps up to 64 MiB between them and gives the rest back, so a producer that allocates for a consumer that
/// frees does not make the consumer's lists grow. Under AddressSanitizer all blocks are operator new's, so that a use after free is seen.
[[nodiscard]] TANDEM_ALWAYS_INLINE void* frame_allocate(std::size_t size)
{
    const std::size_t k = detail::frame_class(size);
    if (TANDEM_UNLIKELY(k >= detail::frame_classes))
        return detail::large_frame_allocate(size);
    const detail::own_list list(k);
    void** const top = list.top();
    if (TANDEM_UNLIKELY(top == list.base()))
        return detail::frame_refill(k);
    list.set_top(top - 1);
    return top[-1];
}

TANDEM_ALWAYS_INLINE void frame_free(void* block, std::size_t size) noexcept
{
    const std::size_t k = detail::frame_class(size);
    if (TANDEM_UNLIKELY(k >= detail::frame_classes)) {
        detail::large_frame_free(block);
        return;
    }
    const detail::own_list list(k);
    void** const top = list.top();
    if (TANDEM_UNLIKELY(top == list.end())) {
        detail::frame_overflow(block, k);
        return;
    }
    list.set_top(top + 1);
    *top = block;
}

} // namespace tandem
