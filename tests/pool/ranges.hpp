// What the tests of map and imap go over.
#pragma once

#include <cstddef>
#include <iterator>
#include <ranges>
#include <stdexcept>
#include <vector>

namespace tandem::test {

/// A range that can be read once, gives its numbers by value as a generator does, and may throw on the way.
class counter {
public:
    explicit counter(int n, int throws_at = -1) : end_(n), throws_at_(throws_at) {}

    struct iterator {
        using value_type = int;
        using difference_type = std::ptrdiff_t;
        counter* c;
        int operator*() const { return c->next_; }
        iterator& operator++()
        {
            if (++c->next_ == c->throws_at_)
                throw std::runtime_error("unreadable");
            return *this;
        }
        void operator++(int) { ++*this; }
        [[nodiscard]] bool at_end() const { return c->next_ == c->end_; }
        friend bool operator==(const iterator& i, std::default_sentinel_t) { return i.at_end(); }
    };
    iterator begin() { return {this}; }
    std::default_sentinel_t end() { return {}; }

private:
    int next_ = 0;
    int end_;
    int throws_at_;
};
static_assert(std::ranges::input_range<counter> && !std::ranges::forward_range<counter>);

inline std::vector<int> numbers(int n)
{
    std::vector<int> v;
    for (int i = 0; i < n; ++i)
        v.push_back(i);
    return v;
}

} // namespace tandem::test
