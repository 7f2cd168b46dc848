// Patterns with '*' for any text, as in robots.txt and on the command line.
#pragma once

#include <string_view>

namespace crawl {

/// Whether all of `text` matches. Takes at most text times pattern steps, whatever somebody wrote: it goes back only to the last '*'.
[[nodiscard]] inline bool matches(std::string_view pattern, std::string_view text)
{
    std::size_t p = 0;
    std::size_t t = 0;
    std::size_t star = std::string_view::npos; // the last '*' that was met, and where its text begins
    std::size_t resume = 0;
    while (t < text.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            resume = t;
        }
        else if (p < pattern.size() && pattern[p] == text[t]) {
            ++p;
            ++t;
        }
        else if (star != std::string_view::npos) {
            p = star + 1;
            t = ++resume;
        }
        else
            return false;
    }
    while (p < pattern.size() && pattern[p] == '*')
        ++p;
    return p == pattern.size();
}

} // namespace crawl
