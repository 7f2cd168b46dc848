#pragma once

#include <string>

namespace tandem::detail {

/// A type's or a symbol's name as it is written in a program; the mangled name if it cannot be read.
[[nodiscard]] std::string readable_name(const char* mangled);

} // namespace tandem::detail
