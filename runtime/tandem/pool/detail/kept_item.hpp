#pragma once

#include <tandem/base/unique_function.hpp>
#include <tandem/combine/result_buffer.hpp>

#include <ranges>
#include <type_traits>
#include <utility>

namespace tandem::detail {

/// Keeps an item of a range until the function is called with it, as the range would give it. What the range itself keeps is kept
/// by reference; else the value is, and moved out; else (a proxy of which no value can be made again) what the range gave.
template <class View>
class kept_item {
    using reference = std::ranges::range_reference_t<View>;
    using value = std::ranges::range_value_t<View>;
    static constexpr bool stays = std::is_lvalue_reference_v<reference> && std::ranges::forward_range<View>;
    static constexpr bool by_value = std::is_lvalue_reference_v<reference> || std::is_constructible_v<reference, value>;
    using held =
        std::conditional_t<stays, stored_result<reference>, std::conditional_t<by_value, value, std::remove_cvref_t<reference>>>;

public:
    explicit kept_item(reference&& r) : held_(static_cast<reference&&>(r)) {}

    reference give()
    {
        if constexpr (std::is_lvalue_reference_v<reference>)
            return held_;
        else
            return static_cast<reference>(std::move(held_));
    }

private:
    held held_;
};

/// A function that takes an item, as one that takes it kept.
template <class View, class F>
struct call_with_kept {
    F f;
    decltype(auto) operator()(kept_item<View>& i) { return detail::invoke(f, i.give()); }
};

} // namespace tandem::detail
