#include "html_tree.hpp"

#include <gumbo.h>

#include <chrono>
#include <csetjmp>
#include <cstdlib>
#include <vector>

namespace crawl {

namespace {

// Gumbo has no limits: a page of nothing but "<b>" makes it use a hundred times its size, a million open elements make it look through
// all of them for each tag, and freeing a deep tree recurses till the stack is full. So it allocates from here, blocks that go all at
// once, and when the memory or the time is used up the allocation does not return, but jumps out of the parser: C, which has nothing to
// clean up but what it has allocated.
class arena {
public:
    explicit arena(const parse_limits& l)
        : memory_(l.memory)
        , deadline_(clock::now() + std::chrono::duration_cast<clock::duration>(std::chrono::duration<double>(l.seconds)))
    {
    }
    arena(const arena&) = delete;
    arena& operator=(const arena&) = delete;
    ~arena()
    {
        for (void* const b : blocks_)
            std::free(b);
    }

    static void* allocate(void* self, std::size_t size) noexcept { return static_cast<arena*>(self)->take(size); }
    static void free_nothing(void*, void*) noexcept {}

    std::jmp_buf out;

private:
    using clock = std::chrono::steady_clock;
    static constexpr std::size_t block_size = 256 * 1024;

    void* take(std::size_t size) noexcept
    {
        size = (size + 15) & ~std::size_t{15};
        if (++count_ % 256 == 0 && clock::now() > deadline_)
            std::longjmp(out, 1);
        if (size > room_)
            refill(size);
        room_ -= size;
        void* const p = next_;
        next_ += size;
        return p;
    }
    void refill(std::size_t size) noexcept
    {
        const std::size_t block = size > block_size ? size : block_size;
        void* const p = used_ + block <= memory_ ? std::malloc(block) : nullptr;
        if (!p)
            std::longjmp(out, 1);
        blocks_.push_back(p);
        used_ += block;
        next_ = static_cast<char*>(p);
        room_ = block;
    }

    alignas(16) char first_[block_size]; // enough for most pages
    std::vector<void*> blocks_;
    char* next_ = first_;
    std::size_t room_ = block_size;
    std::size_t used_ = 0;
    std::size_t memory_;
    std::size_t count_ = 0;
    clock::time_point deadline_;
};

// A function of its own, without objects: what is jumped over must have nothing to destroy.
GumboOutput* parse(arena& a, const GumboOptions& options, const char* text, std::size_t size)
{
    if (setjmp(a.out) != 0)
        return nullptr;
    return gumbo_parse_with_options(&options, text, size);
}

class element_attributes final : public attributes {
public:
    explicit element_attributes(const GumboElement& e) : element_(e) {}
    [[nodiscard]] std::string_view get(const char* name) const override
    {
        const GumboAttribute* const a = gumbo_get_attribute(&element_.attributes, name);
        return a ? a->value : "";
    }

private:
    const GumboElement& element_;
};

} // namespace

bool read_tree(std::string_view page, const parse_limits& limits, tag_visitor& visitor)
{
    arena memory(limits);
    GumboOptions options = kGumboDefaultOptions;
    options.allocator = &arena::allocate;
    options.deallocator = &arena::free_nothing;
    options.userdata = &memory;
    options.max_errors = 0; // nobody reads them
    const GumboOutput* const tree = parse(memory, options, page.data(), page.size());
    if (!tree)
        return false;
    // In the order of the page, and without recursion: a page may be as deep as it is long.
    std::vector<const GumboNode*> open{tree->root};
    while (!open.empty()) {
        const GumboNode* const node = open.back();
        open.pop_back();
        if (node->type != GUMBO_NODE_ELEMENT && node->type != GUMBO_NODE_TEMPLATE)
            continue;
        const GumboElement& e = node->v.element;
        GumboStringPiece original = e.original_tag;
        gumbo_tag_from_original_text(&original);
        const std::string_view name = e.tag == GUMBO_TAG_UNKNOWN ? std::string_view(original.data, original.length)
                                                                 : std::string_view(gumbo_normalized_tagname(e.tag));
        visitor.tag(name, element_attributes(e));
        for (unsigned i = e.children.length; i > 0; --i)
            open.push_back(static_cast<const GumboNode*>(e.children.data[i - 1]));
    }
    return true;
}

} // namespace crawl
