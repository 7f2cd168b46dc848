// Which addresses belong to a crawl.
#pragma once

#include <set>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

namespace crawl {

/// Thread safety: all members, from any thread.
class territory {
public:
    /// Patterns; without hosts those of `add_host` count.
    territory(std::vector<std::string> hosts, std::vector<std::string> include, std::vector<std::string> exclude);

    /// Lets the host of an address in.
    void add_host_of(std::string_view url);
    /// Whether a canonical address belongs to the crawl.
    [[nodiscard]] bool contains(std::string_view url) const;
    [[nodiscard]] bool excludes(std::string_view url) const;

private:
    mutable std::shared_mutex mutex_;
    std::set<std::string, std::less<>> hosts_; // with their port, if it is unusual; guarded by the mutex
    std::vector<std::string> patterns_;
    std::vector<std::string> include_;
    std::vector<std::string> exclude_;
};

} // namespace crawl
