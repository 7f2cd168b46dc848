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

} // namespace tandem
