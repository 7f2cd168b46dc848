// Reads the tags of a page one by one, without a tree: in linear time and no memory to speak of. What is left for pages that are made to
// exhaust a parser; for the others the tree is more exact (scripts, comments, text areas).
#pragma once

#include <string>
#include <string_view>

namespace crawl {

/// The attributes of one tag.
class attributes {
public:
    /// The value, or nothing.
    [[nodiscard]] virtual std::string_view get(const char* name) const = 0;

protected:
    ~attributes() = default;
};

class tag_visitor {
public:
    virtual void tag(std::string_view name, const attributes& a) = 0;

protected:
    ~tag_visitor() = default;
};

void scan_tags(std::string_view page, tag_visitor& visitor);

} // namespace crawl
