#include "links.hpp"

#include "html_tree.hpp"
#include "letters.hpp"
#include "tag_scanner.hpp"
#include "text.hpp"

#include <algorithm>
#include <unordered_set>

namespace crawl {

namespace {

/// Takes the tags of a page in their order, from whoever read them.
class collector final : public tag_visitor {
public:
    explicit collector(const url& address) : base_(address) {}

    void tag(std::string_view name, const attributes& a) override
    {
        if (same_letters(name, "base") && !has_base_) {
            if (const auto u = base_.resolve(a.get("href"))) {
                base_ = *u;
                has_base_ = true;
            }
        }
        else if (same_letters(name, "meta"))
            meta(a);
        else if (same_letters(name, "object"))
            add(a.get("data"));
        else if (same_letters(name, "a") || same_letters(name, "area") || same_letters(name, "link"))
            add(a.get("href"));
        else {
            add(a.get("src"));
            if (same_letters(name, "img") || same_letters(name, "source"))
                add_set(a.get("srcset"));
            else if (same_letters(name, "video"))
                add(a.get("poster"));
            else if (same_letters(name, "body"))
                add(a.get("background"));
        }
    }

    std::vector<std::string> take()
    {
        if (nofollow_)
            urls_.clear();
        return std::move(urls_);
    }

private:
    void add(std::string_view reference)
    {
        if (reference.empty() || reference.front() == '#')
            return;
        const auto u = base_.resolve(reference);
        if (!u)
            return;
        auto [known, fresh] = seen_.insert(u->text());
        if (fresh)
            urls_.push_back(*known);
    }
    void add_set(std::string_view set) // "a.png 1x, b.png 2x"
    {
        while (!set.empty()) {
            const std::size_t begin = std::min(set.find_first_not_of(" \t\r\n,"), set.size());
            set.remove_prefix(begin);
            const std::size_t end = std::min(set.find_first_of(" \t\r\n"), set.size());
            std::string_view one = set.substr(0, end);
            while (one.ends_with(','))
                one.remove_suffix(1);
            add(one);
            set.remove_prefix(end);
            set.remove_prefix(std::min(set.find(','), set.size()));
        }
    }
    void meta(const attributes& a)
    {
        const std::string_view content = a.get("content");
        const std::string text = lower(content);
        if (same_letters(a.get("name"), "robots"))
            nofollow_ = nofollow_ || text.find("nofollow") != std::string::npos || text == "none";
        else if (same_letters(a.get("http-equiv"), "refresh")) {
            const std::size_t at = text.find("url="); // "5; url='next.html'"
            if (at == std::string::npos)
                return;
            std::string_view target = content.substr(at + 4);
            if (target.starts_with('\'') || target.starts_with('"'))
                target = target.substr(1, target.find(target.front(), 1) - 1);
            add(target);
        }
    }

    url base_;
    bool has_base_ = false;
    bool nofollow_ = false;
    std::vector<std::string> urls_;
    std::unordered_set<std::string> seen_;
};

} // namespace

bool has_links(std::string_view content_type, std::string_view page)
{
    if (content_type.empty())
        return page.substr(0, page.find_first_not_of(" \t\r\n") + 1).ends_with('<');
    std::string_view type = content_type.substr(0, content_type.find(';'));
    while (type.ends_with(' '))
        type.remove_suffix(1);
    return same_letters(type, "text/html") || same_letters(type, "application/xhtml+xml");
}

page_links links_of(std::string_view page, std::string_view content_type, const url& address, const parse_limits& limits)
{
    std::string converted;
    if (const std::string encoding = encoding_of(page, content_type); !encoding.empty()) {
        converted = to_utf8(page, encoding);
        page = converted;
    }
    page_links links;
    {
        collector tags(address);
        if (read_tree(page, limits, tags)) {
            links.urls = tags.take();
            return links;
        }
    }
    collector tags(address);
    scan_tags(page, tags);
    links.urls = tags.take();
    links.whole_tree = false;
    return links;
}

} // namespace crawl
