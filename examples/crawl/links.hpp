// The links of a page: what a crawler follows. Also from pages that are no HTML by any stretch, in bounded time and memory.
#pragma once

#include "url.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace crawl {

struct parse_limits {
    std::size_t memory = 256u << 20; ///< for the tree of one page, in bytes
    double seconds = 5;              ///< for building it
};

struct page_links {
    std::vector<std::string> urls; ///< absolute, canonical, each once, in the order of the page
    bool whole_tree = true;        ///< false: the page would not fit the limits as a tree, and was scanned for its tags instead
};

/// What `page`, which came from `address` with this Content-Type, refers to: pages, images, styles, scripts, frames. Respects <base>, and
/// <meta name="robots" content="nofollow">. Computes only: may run on any thread, and in another process.
[[nodiscard]] page_links links_of(
    std::string_view page, std::string_view content_type, const url& address, const parse_limits& limits = {});

/// Whether `page` is one that `links_of` reads: its Content-Type says so, or says nothing and it looks like one.
[[nodiscard]] bool has_links(std::string_view content_type, std::string_view page);

} // namespace crawl
