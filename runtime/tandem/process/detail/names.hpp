#pragma once

#include <string>

namespace tandem::detail {

/// What is called, for messages: a function pointer's target (`type` is that of the pointer, `bytes` hold it), or a type's name.
[[nodiscard]] std::string function_name(const char* type, const unsigned char* bytes);

} // namespace tandem::detail
