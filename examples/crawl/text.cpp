#include "text.hpp"

#include "letters.hpp"

#include <iconv.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

namespace crawl {

std::string charset_of(std::string_view content_type)
{
    const std::string text = lower(content_type);
    std::size_t at = text.find("charset=");
    if (at == std::string::npos)
        return {};
    at += 8;
    if (at < text.size() && (text[at] == '"' || text[at] == '\''))
        ++at;
    const std::size_t end = text.find_first_of("\"'; \t\r\n>/", at);
    return text.substr(at, end == std::string::npos ? end : end - at);
}

bool is_utf8(std::string_view text) noexcept
{
    const auto* p = reinterpret_cast<const unsigned char*>(text.data());
    const auto* const end = p + text.size();
    while (p != end) {
        std::uint64_t eight = 0;
        if (end - p >= 8 && (std::memcpy(&eight, p, 8), (eight & 0x8080808080808080U) == 0)) {
            p += 8;
            continue;
        }
        const unsigned char c = *p++;
        if (c < 0x80)
            continue;
        const int more = c >= 0xC2 && c <= 0xDF ? 1 : c >= 0xE0 && c <= 0xEF ? 2 : c >= 0xF0 && c <= 0xF4 ? 3 : 0;
        if (more == 0 || end - p < more)
            return false;
        if ((c == 0xE0 && *p < 0xA0) || (c == 0xED && *p > 0x9F) || (c == 0xF0 && *p < 0x90) || (c == 0xF4 && *p > 0x8F))
            return false;
        for (int i = 0; i < more; ++i, ++p)
            if ((*p & 0xC0) != 0x80)
                return false;
    }
    return true;
}

std::string encoding_of(std::string_view page, std::string_view content_type)
{
    if (page.starts_with("\xEF\xBB\xBF"))
        return {};
    if (page.starts_with("\xFF\xFE"))
        return "utf-16le";
    if (page.starts_with("\xFE\xFF"))
        return "utf-16be";
    std::string charset = charset_of(content_type);
    if (charset.empty()) {
        const std::string head = lower(page.substr(0, 1024));
        const std::size_t meta = head.find("<meta");
        if (meta != std::string::npos)
            charset = charset_of(std::string_view(head).substr(meta));
        if (charset.starts_with("utf-16"))
            charset.clear(); // it could not be read as ASCII then
    }
    if (charset.empty() || charset == "utf-8" || charset == "utf8")
        return is_utf8(page) ? "" : "windows-1252";
    if (charset == "iso-8859-1" || charset == "us-ascii" || charset == "latin1" || charset == "ascii")
        return "windows-1252"; // what is meant by them on the web
    return charset;
}

std::string to_utf8(std::string_view text, const std::string& encoding)
{
    iconv_t converter = iconv_open("UTF-8", encoding.c_str());
    if (converter == iconv_t(-1))
        converter = iconv_open("UTF-8", "windows-1252");
    std::string out;
    out.reserve(text.size() + text.size() / 8);
    char* from = const_cast<char*>(text.data()); // iconv reads it only
    std::size_t left = text.size();
    while (left > 0) {
        char buffer[4096];
        char* to = buffer;
        std::size_t room = sizeof buffer;
        const std::size_t result = iconv(converter, &from, &left, &to, &room);
        out.append(buffer, to);
        if (result == static_cast<std::size_t>(-1) && errno != E2BIG) {
            out += '?';
            ++from;
            --left;
        }
    }
    iconv_close(converter);
    return out;
}

} // namespace crawl
