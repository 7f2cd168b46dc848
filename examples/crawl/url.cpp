#include "url.hpp"

#include "letters.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>

namespace crawl {

namespace {

constexpr std::string_view white = " \t\n\r\f";

bool is_alpha(char c) { return lower(c) >= 'a' && lower(c) <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_unreserved(char c) { return is_alpha(c) || is_digit(c) || c == '-' || c == '.' || c == '_' || c == '~'; }
int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    const char l = lower(c);
    return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

// Without the white space around it, and without tabs and line breaks inside, which browsers drop.
std::string trimmed(std::string_view text)
{
    const std::size_t begin = text.find_first_not_of(white);
    if (begin == std::string_view::npos)
        return {};
    text = text.substr(begin, text.find_last_not_of(white) + 1 - begin);
    std::string out(text);
    std::erase_if(out, [](char c) { return c == '\t' || c == '\n' || c == '\r'; });
    return out;
}

// The scheme in lower case; empty when there is none.
std::string scheme_of(std::string_view text)
{
    std::string scheme;
    for (const char c : text) {
        if (c == ':')
            return scheme;
        if (!is_alpha(c) && (scheme.empty() || (!is_digit(c) && c != '+' && c != '-' && c != '.')))
            break;
        scheme += lower(c);
    }
    return {};
}

bool is_slash(char c) { return c == '/' || c == '\\'; } // browsers take both

// RFC 3986, section 5.2.4, for paths that begin with '/'.
std::string without_dot_segments(std::string_view path)
{
    std::string out;
    while (!path.empty()) {
        const std::size_t next = path.find('/', 1);
        const std::string_view segment = path.substr(1, next == std::string_view::npos ? next : next - 1);
        const bool last = next == std::string_view::npos;
        if (segment == "..")
            out.resize(std::min(out.size(), out.rfind('/'))); // npos: it is empty
        else if (segment != ".")
            out.append("/").append(segment);
        if (last) {
            if (segment == "." || segment == "..")
                out += '/';
            break;
        }
        path.remove_prefix(next);
    }
    return out.empty() ? "/" : out;
}

// Sets path and query from the rest of an address, without its fragment.
void set_target(url& u, std::string_view target)
{
    const std::size_t mark = target.find('?');
    std::string path(target.substr(0, mark));
    std::replace(path.begin(), path.end(), '\\', '/');
    u.path = without_dot_segments(canonical_encoding(path.empty() ? "/" : path));
    u.query = mark == std::string_view::npos ? "" : canonical_encoding(target.substr(mark));
    if (u.query == "?")
        u.query.clear();
}

bool set_authority(url& u, std::string_view authority)
{
    const std::size_t bracket = authority.rfind(']');
    const std::size_t colon = authority.find(':', bracket == std::string_view::npos ? 0 : bracket);
    std::string_view host = authority.substr(0, colon);
    u.port = u.scheme == "https" ? 443 : 80;
    if (colon != std::string_view::npos && colon + 1 < authority.size()) {
        const std::string_view digits = authority.substr(colon + 1);
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), u.port);
        if (error != std::errc() || end != digits.data() + digits.size() || u.port == 0)
            return false;
    }
    if (host.ends_with('.'))
        host.remove_suffix(1);
    u.host = lower(host);
    if (u.host.empty() || u.host.size() > 253 || u.host.front() == '.' || u.host.find("..") != std::string::npos)
        return false;
    if (u.host.front() == '[')
        return u.host.back() == ']' && u.host.find_first_not_of("0123456789abcdef:.", 1) == u.host.size() - 1;
    return std::all_of(
        u.host.begin(), u.host.end(), [](char c) { return is_alpha(c) || is_digit(c) || c == '-' || c == '.' || c == '_'; });
}

} // namespace

std::string canonical_encoding(std::string_view text)
{
    constexpr std::string_view literal = "!$&'()*+,;=:@/?";
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        char c = text[i];
        bool encoded = false;
        if (c == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 && hex_value(text[i + 2]) >= 0) {
            c = static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
            encoded = true;
            i += 2;
        }
        if (is_unreserved(c) || (!encoded && literal.find(c) != std::string_view::npos))
            out += c;
        else
            out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
    return out;
}

std::optional<url> url::parse(std::string_view text)
{
    const std::string clean = trimmed(text);
    url u;
    u.scheme = scheme_of(clean);
    if (u.scheme != "http" && u.scheme != "https")
        return std::nullopt;
    std::string_view rest = std::string_view(clean).substr(u.scheme.size() + 1);
    if (rest.size() < 2 || !is_slash(rest[0]) || !is_slash(rest[1]))
        return std::nullopt;
    rest.remove_prefix(std::min(rest.find_first_not_of("/\\"), rest.size()));
    rest = rest.substr(0, rest.find('#'));
    const std::size_t end = std::min(rest.find_first_of("/\\?"), rest.size());
    if (!set_authority(u, rest.substr(0, end)))
        return std::nullopt;
    set_target(u, rest.substr(end));
    if (u.path.size() + u.query.size() > longest)
        return std::nullopt;
    return u;
}

std::optional<url> url::resolve(std::string_view reference) const
{
    const std::string clean = trimmed(reference);
    std::string_view rest = std::string_view(clean).substr(0, clean.find('#'));
    if (!scheme_of(rest).empty())
        return parse(rest);
    if (rest.size() >= 2 && is_slash(rest[0]) && is_slash(rest[1]))
        return parse(scheme + ":" + std::string(rest));
    url u = *this;
    if (rest.empty())
        return u;
    if (is_slash(rest[0]))
        set_target(u, rest);
    else if (rest[0] == '?')
        set_target(u, path + std::string(rest));
    else
        set_target(u, path.substr(0, path.rfind('/') + 1) + std::string(rest));
    if (u.path.size() + u.query.size() > longest)
        return std::nullopt;
    return u;
}

std::string url::authority() const
{
    const bool usual = port == (scheme == "https" ? 443 : 80);
    return usual ? host : fmt::format("{}:{}", host, port);
}

std::string url::origin() const { return scheme + "://" + authority(); }

} // namespace crawl
