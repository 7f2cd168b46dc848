// For implementers of process pools; users include <tandem/process/process_pool.hpp>.
#pragma once

#include <tandem/process/encoder.hpp>

#include <exception>

namespace tandem::detail {

/// An exception, as far as it can cross: of exactly a type of the standard library's hierarchy, or of Tandem's, it comes back as
/// that, with its what() and its code; any other comes back as remote_error.
void encode_exception(encoder& to, const std::exception_ptr& e);
[[nodiscard]] std::exception_ptr decode_exception(decoder& from);

} // namespace tandem::detail
