#pragma once

#include <tuple>
#include <type_traits>
#include <utility>

namespace tandem {

/// The positional arguments of a call, as Python's `args=(…)`: copies, made now. `std::ref(x)` passes a reference to x. For keyword
/// arguments give the function a struct and pass it with designated initialisers: `args(options{.depth = 2})`.
template <class... A>
class args_t {
public:
    using tuple = std::tuple<std::unwrap_ref_decay_t<A>...>;

    tuple values;
};

template <class... A>
[[nodiscard]] args_t<A...> args(A&&... a)
{
    return {typename args_t<A...>::tuple(std::forward<A>(a)...)};
}

namespace detail {

template <class T>
inline constexpr bool is_args = false;
template <class... A>
inline constexpr bool is_args<args_t<A...>> = true;

template <class F, class Tuple>
inline constexpr bool is_applicable = false;
template <class F, class... T>
inline constexpr bool is_applicable<F, std::tuple<T...>> = std::is_invocable_v<F, T...>;

template <class F, class Tuple>
struct apply_result;
template <class F, class... T>
struct apply_result<F, std::tuple<T...>> : std::invoke_result<F, T...> {};

} // namespace detail

} // namespace tandem
