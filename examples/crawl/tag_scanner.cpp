#include "tag_scanner.hpp"

#include "letters.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace crawl {

namespace {

constexpr std::string_view white = " \t\r\n\f/";

class scanned final : public attributes {
public:
    // Reads up to the '>' and past it.
    void read(std::string_view& rest)
    {
        values_.clear();
        for (;;) {
            rest.remove_prefix(std::min(rest.find_first_not_of(white), rest.size()));
            if (rest.empty())
                return;
            if (rest.front() == '>') {
                rest.remove_prefix(1);
                return;
            }
            const std::size_t name_end = std::min(rest.find_first_of(" \t\r\n\f/>=", 1), rest.size());
            const std::string_view name = rest.substr(0, name_end);
            rest.remove_prefix(name_end);
            std::string_view value;
            if (const std::size_t sign = rest.find_first_not_of(" \t\r\n\f"); sign < rest.size() && rest[sign] == '=') {
                rest.remove_prefix(sign + 1);
                rest.remove_prefix(std::min(rest.find_first_not_of(" \t\r\n\f"), rest.size()));
                const bool quoted = !rest.empty() && (rest.front() == '"' || rest.front() == '\'');
                const std::size_t end =
                    std::min(quoted ? rest.find(rest.front(), 1) : rest.find_first_of(" \t\r\n\f>"), rest.size());
                value = rest.substr(quoted ? 1 : 0, quoted ? end - 1 : end);
                rest.remove_prefix(std::min(quoted ? end + 1 : end, rest.size()));
            }
            if (values_.size() < most)
                values_.emplace_back(name, value);
        }
    }

    [[nodiscard]] std::string_view get(const char* name) const override
    {
        for (auto& [key, value] : values_)
            if (same_letters(key, name)) {
                decoded_.emplace_back(without_entities(value));
                return decoded_.back();
            }
        return {};
    }
    void forget() { decoded_.clear(); }

private:
    static constexpr std::size_t most = 64;

    // The one that addresses are full of; the rest are rare in them.
    static std::string without_entities(std::string_view value)
    {
        std::string out(value);
        for (std::size_t at = 0; (at = out.find("&amp;", at)) != std::string::npos; ++at)
            out.erase(at + 1, 4);
        return out;
    }

    std::vector<std::pair<std::string_view, std::string_view>> values_;
    mutable std::vector<std::string> decoded_;
};

} // namespace

void scan_tags(std::string_view page, tag_visitor& visitor)
{
    scanned a;
    while (true) {
        page.remove_prefix(std::min(page.find('<'), page.size()));
        if (page.empty())
            return;
        page.remove_prefix(1);
        if (page.starts_with("!--")) {
            const std::size_t end = page.find("-->");
            page.remove_prefix(end == std::string_view::npos ? page.size() : end + 3);
            continue;
        }
        const std::size_t end = std::min(page.find_first_of(" \t\r\n\f/><"), page.size());
        const std::string_view name = page.substr(0, end);
        page.remove_prefix(end);
        if (name.empty() || !std::isalpha(static_cast<unsigned char>(name.front())))
            continue;
        a.read(page);
        visitor.tag(name, a);
        a.forget();
    }
}

} // namespace crawl
