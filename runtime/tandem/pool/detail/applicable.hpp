#pragma once

#include <tuple>
#include <type_traits>

namespace tandem::detail {

/// Whether `F` can be called with the elements of `Tuple`, moved; and what that gives.
template <class F, class Tuple>
inline constexpr bool is_applicable = false;
template <class F, class... T>
inline constexpr bool is_applicable<F, std::tuple<T...>> = std::is_invocable_v<F, T...>;

template <class F, class Tuple>
struct apply_result;
template <class F, class... T>
struct apply_result<F, std::tuple<T...>> : std::invoke_result<F, T...> {};

} // namespace tandem::detail
