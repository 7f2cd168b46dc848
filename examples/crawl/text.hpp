// The encodings of pages.
#pragma once

#include <string>
#include <string_view>

namespace crawl {

/// The charset that a Content-Type names ("text/html; charset=iso-8859-1"), in lower case; empty when it names none.
[[nodiscard]] std::string charset_of(std::string_view content_type);

[[nodiscard]] bool is_utf8(std::string_view text) noexcept;

/// Whether `page` has to be converted to be read as UTF-8, and from what: its byte order mark, `content_type`, or a <meta> in its first
/// kilobyte says so, or else windows-1252, as in browsers, when it is no UTF-8. Empty: it is UTF-8 as it stands.
[[nodiscard]] std::string encoding_of(std::string_view page, std::string_view content_type);

/// `text` in UTF-8; what cannot be read becomes '?'. An encoding that nobody knows is read as windows-1252.
[[nodiscard]] std::string to_utf8(std::string_view text, const std::string& encoding);

} // namespace crawl
