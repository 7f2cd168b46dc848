#include "territory.hpp"

#include "pattern.hpp"

#include <algorithm>
#include <mutex>

namespace crawl {

namespace {

std::string_view authority_of(std::string_view url)
{
    const std::size_t begin = url.find("//") + 2;
    return url.substr(begin, url.find('/', begin) - begin);
}

bool any(const std::vector<std::string>& patterns, std::string_view text)
{
    return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& p) { return matches(p, text); });
}

} // namespace

territory::territory(std::vector<std::string> hosts, std::vector<std::string> include, std::vector<std::string> exclude)
    : patterns_(std::move(hosts)), include_(std::move(include)), exclude_(std::move(exclude))
{
}

void territory::add_host_of(std::string_view url)
{
    const std::unique_lock lock(mutex_);
    hosts_.emplace(authority_of(url));
}

bool territory::contains(std::string_view url) const
{
    const std::string_view authority = authority_of(url);
    const auto is_start = [&] {
        const std::shared_lock lock(mutex_);
        return hosts_.contains(authority);
    };
    const bool ours =
        patterns_.empty() ? is_start() : any(patterns_, authority) || any(patterns_, authority.substr(0, authority.rfind(':')));
    return ours && (include_.empty() || any(include_, url)) && !excludes(url);
}

bool territory::excludes(std::string_view url) const { return any(exclude_, url); }

} // namespace crawl
