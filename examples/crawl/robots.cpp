#include "robots.hpp"

#include "letters.hpp"
#include "pattern.hpp"
#include "url.hpp"

#include <algorithm>
#include <cstdlib>

namespace crawl {

namespace {

std::string_view trimmed(std::string_view text)
{
    const std::size_t begin = text.find_first_not_of(" \t\r");
    return begin == std::string_view::npos ? std::string_view() : text.substr(begin, text.find_last_not_of(" \t\r") + 1 - begin);
}

// The name itself, without a version or a comment after it.
std::string product_of(std::string_view agent)
{
    const auto end = std::find_if(agent.begin(), agent.end(),
        [](char c) { return !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_' || c == '*'); });
    return lower(std::string_view(agent.begin(), end));
}

} // namespace

robots robots::parse(std::string_view text, std::string_view product)
{
    const std::string name = lower(product);
    robots ours;
    robots general;
    bool found = false;                   // a group for us
    bool heads = false;                   // the lines before were "User-agent:"
    bool for_us = false, for_all = false; // the group
    if (text.starts_with("\xEF\xBB\xBF"))
        text.remove_prefix(3);
    while (!text.empty()) {
        const std::size_t end = text.find_first_of("\r\n");
        const std::string_view whole = text.substr(0, end);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        const std::string_view line = trimmed(whole.substr(0, whole.find('#')));
        const std::size_t colon = line.find(':');
        if (colon == std::string_view::npos)
            continue;
        const std::string key = lower(trimmed(line.substr(0, colon)));
        const std::string_view value = trimmed(line.substr(colon + 1));
        if (key == "user-agent") {
            if (!heads)
                for_us = for_all = false;
            heads = true;
            const std::string agent = product_of(value);
            for_us = for_us || agent == name;
            for_all = for_all || agent == "*";
            found = found || for_us;
            continue;
        }
        if (key != "allow" && key != "disallow" && key != "crawl-delay")
            continue; // Sitemap and such belong to no group, and end none
        heads = false;
        const auto add = [&](robots& r) {
            if (key == "crawl-delay") {
                const double seconds = std::strtod(std::string(value).c_str(), nullptr);
                if (seconds > 0 && seconds < 1e6)
                    r.delay_ = std::chrono::milliseconds(static_cast<long>(seconds * 1000));
            }
            else if (!value.empty()) {
                std::string pattern = canonical_encoding(value);
                const bool to_the_end = value.ends_with('$'); // else a prefix
                if (to_the_end)
                    pattern.pop_back();
                else
                    pattern += '*';
                r.rules_.push_back({std::move(pattern), value.size(), key == "allow"});
            }
        };
        if (for_us)
            add(ours);
        if (for_all)
            add(general);
    }
    return found ? ours : general;
}

robots robots::nothing_allowed()
{
    robots r;
    r.rules_.push_back({"*", 1, false});
    return r;
}

bool robots::allows(std::string_view target) const
{
    if (target == "/robots.txt")
        return true;
    std::size_t longest = 0;
    bool allowed = true;
    for (const rule& r : rules_)
        if ((r.length > longest || (r.length == longest && r.allow)) && matches(r.pattern, target)) {
            longest = r.length;
            allowed = r.allow;
        }
    return allowed;
}

} // namespace crawl
