// What the compiler and the build are: the macros that the rest of tandem builds on.
#pragma once

#include <cstddef>

#if defined(__GNUC__) || defined(__clang__)
#define TANDEM_NOINLINE __attribute__((noinline))
#define TANDEM_ALWAYS_INLINE inline __attribute__((always_inline))
#define TANDEM_LIKELY(x) __builtin_expect(static_cast<bool>(x), 1)
#define TANDEM_UNLIKELY(x) __builtin_expect(static_cast<bool>(x), 0)
#else
#define TANDEM_NOINLINE
#define TANDEM_ALWAYS_INLINE inline
#define TANDEM_LIKELY(x) static_cast<bool>(x)
#define TANDEM_UNLIKELY(x) static_cast<bool>(x)
#endif

// Clang passes an object of such a class in a register although it has a destructor, and the function that it is passed to destroys it.
// GCC cannot. So functions of the compiled library neither take nor return such an object by value: their callers may be built by the
// other compiler.
#if defined(__clang__)
#define TANDEM_TRIVIAL_ABI [[clang::trivial_abi]]
#else
#define TANDEM_TRIVIAL_ABI
#endif

// TANDEM_TSAN, TANDEM_ASAN: 1 when this translation unit is instrumented, else 0. GCC says so with
// a macro, Clang with a feature.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TANDEM_TSAN 1
#endif
#if __has_feature(address_sanitizer)
#define TANDEM_ASAN 1
#endif
#if __has_feature(memory_sanitizer) || __has_feature(undefined_behavior_sanitizer)
#define TANDEM_OTHER_SANITIZER 1
#endif
#endif
#if !defined(TANDEM_TSAN)
#if defined(__SANITIZE_THREAD__)
#define TANDEM_TSAN 1
#else
#define TANDEM_TSAN 0
#endif
#endif
#if !defined(TANDEM_ASAN)
#if defined(__SANITIZE_ADDRESS__)
#define TANDEM_ASAN 1
#else
#define TANDEM_ASAN 0
#endif
#endif

// TANDEM_TAIL_CALLS: 1 when symmetric transfer between coroutines is known to be a tail call, so
// that a loop of transfers uses no stack. Where it is 0 the runtime trampolines. It may be given
// on the command line, the same for the whole program; 0 is always safe.
//
// GCC makes the tail call from -O2 (and -Os) on, and not at -O1 or -Og, which no macro tells from
// -O2: a program built so with GCC must give -DTANDEM_TAIL_CALLS=0 (or -foptimize-sibling-calls).
#if !defined(TANDEM_TAIL_CALLS)
#if defined(__OPTIMIZE__) && !TANDEM_TSAN && !TANDEM_ASAN && !defined(TANDEM_OTHER_SANITIZER)
#define TANDEM_TAIL_CALLS 1
#else
#define TANDEM_TAIL_CALLS 0
#endif
#endif

// A broken precondition: a message and the end of the program in a debug build, nothing in a release build.
#include <cassert>
#define TANDEM_ASSERT(condition, message) assert((condition) && (message))

namespace tandem {

/// The distance, in bytes, that keeps two objects from sharing a cache line.
inline constexpr std::size_t cache_line = 64;

namespace detail {

using tandem::cache_line;

/// Tells the processor that this is a spin loop. Costs some tens of cycles, touches no memory.
TANDEM_ALWAYS_INLINE void cpu_relax() noexcept
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
    __asm__ __volatile__("yield");
#endif
}

/// The address of `x`, computed where this stands. Clang computes the address of what lies in a coroutine's frame at the head of the coroutine, and
/// keeps it in a register that has to be saved each time that the coroutine is entered, when it is wanted at several places.
template <class T>
[[nodiscard]] TANDEM_ALWAYS_INLINE T* computed_here(T& x) noexcept
{
#if defined(__clang__) && defined(__x86_64__)
    T* p = nullptr;
    __asm__("lea %1, %0" : "=r"(p) : "m"(x));
    return p;
#else
    return &x;
#endif
}

/// Asks for the cache lines with the head of an object that will be used soon.
TANDEM_ALWAYS_INLINE void prefetch(const void* p) noexcept
{
#if defined(__GNUC__) || defined(__clang__)
    __builtin_prefetch(p, 1);
    __builtin_prefetch(static_cast<const char*>(p) + cache_line, 1);
#endif
}

} // namespace detail
} // namespace tandem
