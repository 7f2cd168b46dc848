// Web addresses: read as browsers read them, resolved against a base, and written in one canonical way, so that one page has one text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace crawl {

/// An http or https address in its canonical form: scheme and host in lower case, no default port, no fragment, no dot segments, and each
/// byte of path and query either literal or percent-encoded, always the same way (RFC 3986, section 6).
struct url {
    std::string scheme;
    std::string host; // IPv6 in brackets
    std::uint16_t port = 0;
    std::string path;  // begins with '/'
    std::string query; // with its '?', or empty

    /// Reads an absolute address. Nothing for what is none, is not of the web, or is not to be fetched: with a user name in it, or longer
    /// than `longest`.
    [[nodiscard]] static std::optional<url> parse(std::string_view text);
    /// What `reference`, as it stands in a page, means in a page at this address.
    [[nodiscard]] std::optional<url> resolve(std::string_view reference) const;

    /// "https://host" or "https://host:8443": what robots.txt and politeness go by.
    [[nodiscard]] std::string origin() const;
    /// "host" or "host:8443".
    [[nodiscard]] std::string authority() const;
    [[nodiscard]] std::string target() const { return path + query; }
    [[nodiscard]] std::string text() const { return origin() + path + query; }

    friend bool operator==(const url&, const url&) = default;

    static constexpr std::size_t longest = 4096;
};

/// Percent-encodes what needs it, decodes what does not, and writes the rest in capitals: "%7ea b%2f" is "~a%20b%2F".
[[nodiscard]] std::string canonical_encoding(std::string_view text);

} // namespace crawl
