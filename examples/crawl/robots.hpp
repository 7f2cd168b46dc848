// robots.txt as RFC 9309 has it, with Crawl-delay.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace crawl {

/// What a site asks of this crawler. A default constructed one asks for nothing.
class robots {
public:
    /// `product` is the crawler's name as robots.txt would have it, such as "tandem-crawl"; case does not matter. The groups for that name
    /// count, or else those for "*".
    [[nodiscard]] static robots parse(std::string_view text, std::string_view product);
    [[nodiscard]] static robots nothing_allowed();

    /// Whether `target`, path and query in canonical form, may be fetched: the longest rule that matches decides, in doubt for it.
    [[nodiscard]] bool allows(std::string_view target) const;
    [[nodiscard]] std::optional<std::chrono::milliseconds> crawl_delay() const noexcept { return delay_; }

private:
    struct rule {
        std::string pattern;
        std::size_t length; // as it was written
        bool allow;
    };
    std::vector<rule> rules_;
    std::optional<std::chrono::milliseconds> delay_;
};

} // namespace crawl
