#pragma once

#include <source_location>
#include <string>

/// As a default argument: the place of the call, as one pointer to what the compiler has written down about it, which is never destroyed.
/// (A std::source_location is that pointer too; but GCC keeps a place in the coroutine's frame for each one that is an argument inside a
/// co_await.) For implementers.
#if defined(__has_builtin)
#if __has_builtin(__builtin_source_location)
#define TANDEM_HERE __builtin_source_location()
#endif
#endif
#if !defined(TANDEM_HERE)
#define TANDEM_HERE nullptr
#endif

namespace tandem {

/// A line of source and the function that it is in, or nothing. A copyable pointer.
class source_line {
public:
    source_line() noexcept = default;
    explicit source_line(const void* here) noexcept : here_(here) {} ///< what TANDEM_HERE gave

    [[nodiscard]] explicit operator bool() const noexcept { return here_ != nullptr; }

    /// As it was given to the compiler; empty when there is none.
    [[nodiscard]] const char* file() const noexcept;
    [[nodiscard]] unsigned line() const noexcept;
    /// The function's name with its scopes, without parameters, result and the arguments of templates, nor unnamed namespaces.
    [[nodiscard]] std::string function() const;
    /// "function (file:line)".
    [[nodiscard]] std::string text() const;

    friend bool operator==(const source_line&, const source_line&) noexcept = default;

private:
    const void* here_ = nullptr;
};

} // namespace tandem
