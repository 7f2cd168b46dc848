#pragma once

#include <tandem/task/frame_memory.hpp>

#include <cstddef>
#include <new>

namespace tandem::detail {

/// The associated allocator of the handlers of an awaited operation. Asio keeps two blocks for a thread and goes to malloc for the third;
/// every operation that waits has one. Thread safety, cost: as frame_allocate().
template <class T = void>
struct handler_allocator {
    using value_type = T;

    constexpr handler_allocator() noexcept = default;
    template <class U>
    constexpr handler_allocator(
        const handler_allocator<U>&) noexcept // NOLINT: implicit, as the requirements of an allocator have it
    {
    }

    [[nodiscard]] T* allocate(std::size_t n)
    {
        if constexpr (alignof(T) > __STDCPP_DEFAULT_NEW_ALIGNMENT__)
            return static_cast<T*>(::operator new(n * sizeof(T), std::align_val_t(alignof(T))));
        else
            return static_cast<T*>(frame_allocate(n * sizeof(T)));
    }
    void deallocate(T* p, std::size_t n) noexcept
    {
        if constexpr (alignof(T) > __STDCPP_DEFAULT_NEW_ALIGNMENT__)
            ::operator delete(p, n * sizeof(T), std::align_val_t(alignof(T)));
        else
            frame_free(p, n * sizeof(T));
    }

    template <class U>
    friend constexpr bool operator==(const handler_allocator&, const handler_allocator<U>&) noexcept
    {
        return true;
    }
};

} // namespace tandem::detail
