#include "file_names.hpp"

#include "body.hpp"

#include <fmt/core.h>

#include <algorithm>

namespace crawl {

namespace {

// The canonical form leaves few bytes that a file name cannot have; this does not rely on it.
std::string safe(std::string_view name)
{
    std::string out;
    for (const char c : name) {
        if (c > ' ' && c < '\x7f' && c != '/' && c != '\\' && c != ':')
            out += c;
        else
            out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
    if (out.empty() || out == "." || out == "..")
        return "%" + out; // no canonical name begins so
    if (out.size() > longest_name)
        out = out.substr(0, longest_name - 17) + "~" + sha256(out).substr(0, 16);
    return out;
}

} // namespace

std::vector<std::string> file_names(const url& u)
{
    std::vector<std::string> names;
    const bool usual = u.port == (u.scheme == "https" ? 443 : 80);
    names.push_back(safe(usual ? u.host : fmt::format("{}+{}", u.host, u.port)));
    std::size_t size = 0;
    std::string_view rest = std::string_view(u.path).substr(1);
    for (std::size_t slash = 0; (slash = rest.find('/')) != std::string_view::npos; rest.remove_prefix(slash + 1)) {
        names.push_back(safe(rest.substr(0, slash)));
        size += names.back().size() + 1;
    }
    names.push_back(safe((rest.empty() ? "index.html" : std::string(rest)) + u.query));
    if (size + names.back().size() > longest_path)
        names = {names.front(), "~" + sha256(u.target())};
    return names;
}

std::string other_name(const std::string& name, int attempt)
{
    const std::size_t dot = name.find('?') == std::string::npos ? name.rfind('.') : std::string::npos;
    const std::size_t end = dot == std::string::npos || dot == 0 ? name.size() : dot;
    return fmt::format("{}~{}{}", name.substr(0, end), attempt, name.substr(end));
}

} // namespace crawl
