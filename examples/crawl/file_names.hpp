// Where in the mirror a page goes.
#pragma once

#include "url.hpp"

#include <string>
#include <vector>

namespace crawl {

/// The folders and the file name for a page, below the folder of the mirror: "host/dir/page.html", "host/dir/index.html" for "/dir/",
/// "host/list?page=2" with a query. Every name is safe: no "." or "..", no slash, nothing but visible ASCII (the rest stays
/// percent-encoded), at most `longest_name` bytes; one that would be longer, or too deep, ends in a hash of the whole instead.
[[nodiscard]] std::vector<std::string> file_names(const url& u);

/// Another name for the same, when something else has taken `name`: "page~1.html", "dir~2".
[[nodiscard]] std::string other_name(const std::string& name, int attempt);

inline constexpr std::size_t longest_name = 200;
inline constexpr std::size_t longest_path = 2000;

} // namespace crawl
