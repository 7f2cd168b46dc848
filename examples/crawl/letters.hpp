#pragma once

#include <algorithm>
#include <string>
#include <string_view>

namespace crawl {

// Of ASCII alone, whatever the locale: what URLs, HTML and HTTP know as letters.

constexpr char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

inline std::string lower(std::string_view text)
{
    std::string out(text);
    for (char& c : out)
        c = lower(c);
    return out;
}

/// Whether they are the same but for upper and lower case.
inline bool same_letters(std::string_view a, std::string_view b)
{
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

} // namespace crawl
