// What a thread keeps for itself on the hot paths, and how a coroutine gets at it. For implementers.
#pragma once

#include <tandem/base/config.hpp>

#include <cstddef>
#include <cstdint>

// Thread-locals in coroutines: a compiler may keep the address of one across a suspension, and the coroutine may resume on another
// thread. So either the address is computed by an instruction that the compiler must not reuse, or by a function that it cannot see into.
#if defined(__x86_64__) && defined(__ELF__) && defined(__OPTIMIZE__) && !TANDEM_ASAN && !TANDEM_TSAN
#define TANDEM_INLINE_THREAD_STATE 1
#else
#define TANDEM_INLINE_THREAD_STATE 0
#endif

namespace tandem {

class worker;

namespace detail {

struct magazine;
class region;

/// Blocks of one size class that this thread has at hand: a stack of their addresses, in the magazine that is in use. An array and no list
/// through the blocks: to take one stores once and does not read the block, which may come from another processor, and to put one back
/// stores twice.
struct size_class {
    void** top; // behind the last
    void** base;
    void** end;      // all three are null before the first block comes, and once the thread exits
    magazine* full;  // null, or one that is full
    magazine* empty; // null, or one that is empty
};

inline constexpr std::size_t frame_classes = 40;

/// Plain data, so that there is neither a guard nor a wrapper call.
struct thread_state {
    worker* current_worker; // that this thread is, or null
    size_class frames[frame_classes];
    region* cuts; // where new blocks of this thread come from, or null
    bool reaper_armed;
    bool exiting;
};

#if TANDEM_INLINE_THREAD_STATE
TANDEM_ALWAYS_INLINE thread_state& this_thread() noexcept
{
    // volatile: to be done anew each time. The linker makes the offset a constant in an executable.
    thread_state* p;
    __asm__ volatile("movq %%fs:0, %0\n\taddq tandem_thread_state@gottpoff(%%rip), %0" : "=r"(p) : : "cc");
    return *p;
}

/// Words of this thread's state, by instructions that address them relative to the thread's segment. To have its address first would take
/// a load, and all that follows would wait for it: a twentieth of the time of a fork.
class own_state {
public:
    TANDEM_ALWAYS_INLINE own_state() noexcept
    {
        __asm__ volatile("movq tandem_thread_state@gottpoff(%%rip), %0"
            : "=r"(at_)); // in an executable the linker makes it a constant
    }
    template <class T>
    [[nodiscard]] TANDEM_ALWAYS_INLINE T load(std::size_t offset) const noexcept
    {
        static_assert(sizeof(T) == 8);
        T value;
        __asm__ volatile("movq %%fs:%1, %0" : "=r"(value) : "m"(*reinterpret_cast<const T*>(at_ + offset)));
        return value;
    }
    template <class T>
    TANDEM_ALWAYS_INLINE void store(std::size_t offset, T value) const noexcept
    {
        static_assert(sizeof(T) == 8);
        __asm__ volatile("movq %1, %%fs:%0" : "=m"(*reinterpret_cast<T*>(at_ + offset)) : "r"(value));
    }

private:
    std::uintptr_t at_; // where the state begins, from the thread pointer: the same for all threads
};
#else
/// Not inlined.
thread_state& this_thread() noexcept;

class own_state {
public:
    template <class T>
    [[nodiscard]] T load(std::size_t offset) const noexcept
    {
        return *reinterpret_cast<const T*>(at_ + offset);
    }
    template <class T>
    void store(std::size_t offset, T value) const noexcept
    {
        *reinterpret_cast<T*>(at_ + offset) = value;
    }

private:
    std::uintptr_t at_ = reinterpret_cast<std::uintptr_t>(&this_thread());
};
#endif

} // namespace detail

/// The worker that this thread is, or null. Asked anew after each suspension.
[[nodiscard]] TANDEM_ALWAYS_INLINE worker* this_worker() noexcept
{
    return detail::own_state().load<worker*>(offsetof(detail::thread_state, current_worker));
}

} // namespace tandem
