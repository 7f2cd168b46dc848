// Reads a page as browsers do, with Gumbo, into a tree, and shows its tags. Within limits, which Gumbo itself does not have.
#pragma once

#include "links.hpp"
#include "tag_scanner.hpp"

#include <string_view>

namespace crawl {

/// False when the limits were reached; then the visitor has seen nothing.
[[nodiscard]] bool read_tree(std::string_view page, const parse_limits& limits, tag_visitor& visitor);

} // namespace crawl
