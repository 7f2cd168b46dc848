#pragma once

#include <tandem/base/config.hpp>

#include <coroutine>

namespace tandem {

/// Resumes `h`, and then whatever it hands over to, on this thread; returns when the chain suspends. The stack does not grow with
/// the length of the chain, in any build. Every resumption from outside a coroutine goes through here.
void resume(std::coroutine_handle<> h) noexcept;

namespace detail {
std::coroutine_handle<> park(std::coroutine_handle<> h) noexcept;
} // namespace detail

/// What an `await_suspend` returns to continue with `h`: symmetric transfer.
///
/// Where the compiler makes the transfer a tail call this is `h` itself. Elsewhere (-O0, sanitizers: GCC makes none there) `h` is
/// left with the loop in `resume`, and a no-op handle is returned. Both kinds may meet in one program: only the returned handle
/// differs, and `resume` always looks.
[[nodiscard]] inline std::coroutine_handle<> transfer(std::coroutine_handle<> h) noexcept
{
#if TANDEM_TAIL_CALLS
    return h;
#else
    return detail::park(h);
#endif
}

} // namespace tandem
