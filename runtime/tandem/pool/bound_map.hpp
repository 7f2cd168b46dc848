#pragma once
// What `map` and its kin make of their arguments. For implementers of pools.

#include <tandem/combine/map.hpp>
#include <tandem/pool/options.hpp>

#include <ranges>
#include <tuple>
#include <utility>
#include <vector>

namespace tandem::detail {

/// A function that takes a tuple, from one that takes its elements.
template <class F>
struct unpacking {
    F f;
    template <class Tuple>
    decltype(auto) operator()(Tuple&& t)
        requires requires { std::apply(f, std::forward<Tuple>(t)); }
    {
        return std::apply(f, std::forward<Tuple>(t));
    }
};

template <class Range>
constexpr void check_range() noexcept
{
    static_assert(std::ranges::input_range<Range>, "f comes first, and then the range, which must be one that can be read");
    static_assert(std::ranges::viewable_range<Range>,
        "the range must be a container, or a view; pass a view that cannot be copied by std::move");
}
template <class F, class Range>
concept maps_over = std::ranges::input_range<Range> && map_function<F, std::ranges::range_reference_t<Range>>;

inline map_settings settings_of(map_options& o) noexcept
{
    return {.concurrency = o.concurrency, .chunk = o.chunk, .progress = o.progress ? &o.progress : nullptr};
}

/// A map that owns its items, as a call that gives a task.
template <class F, class View>
struct owned_map {
    using raw_result = decltype(map_view(std::declval<View>(), std::declval<F>(), map_settings{}));
    raw_result operator()()
    {
        // `options` stays where it is until the map has ended: it is part of the call.
        return map_view(std::move(items), std::move(f), settings_of(options));
    }

    F f;
    View items;
    map_options options;
};

/// map_async copies the items and hands each to `f` as an lvalue of its own.
template <class Range>
using owned_items = std::ranges::owning_view<std::vector<std::ranges::range_value_t<Range>>>;

} // namespace tandem::detail
