#pragma once

#include <tandem/process/codec.hpp>
#include <tandem/process/detail/frame.hpp>
#include <tandem/process/detail/worker_call.hpp>
#include <tandem/process/encoder.hpp>

#include <array>
#include <bit>
#include <cstring>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

// Functions and their arguments: whether they can cross, and how.

namespace tandem::detail {

/// Whether a function can cross: it is an address in the program, or nothing but a type.
template <class F>
inline constexpr bool is_sendable_function = is_function_pointer<F> || std::is_member_pointer_v<F> ||
                                             (std::is_empty_v<F> && std::is_trivially_copyable_v<F>);

template <class F>
constexpr void check_function() noexcept
{
    static_assert(is_sendable_function<F>,
        "this function cannot cross to a worker process: it must be a function pointer, a lambda without captures or an empty "
        "function object; pass what a lambda captures as an argument");
}

template <class F>
void store_function(frame_header& h, const F& f) noexcept
{
    static_assert(std::is_trivially_copyable_v<F> && sizeof(F) <= sizeof h.function);
    if constexpr (!std::is_empty_v<F>)
        std::memcpy(h.function, &f, sizeof f);
}

template <class F>
F load_function(const frame_header& h) noexcept
{
    std::array<unsigned char, sizeof(F)> bytes{};
    std::memcpy(bytes.data(), h.function, sizeof(F));
    return std::bit_cast<F>(bytes);
}

/// A call of one function with a tuple of arguments.
template <class F, class Tuple>
void run_one(worker_call& c)
{
    F f = load_function<F>(*c.header);
    std::optional<Tuple> arguments;
    decode_arguments(c, [&](decoder& from) { arguments.emplace(codec<Tuple>::decode(from)); });
    const auto call = [&]() -> decltype(auto) { return std::apply(std::move(f), std::move(*arguments)); };
    using R = decltype(finish_call(call));
    if constexpr (std::is_void_v<R>)
        finish_call(call);
    else {
        decltype(auto) result = finish_call(call);
        encode_answer([&] { codec<std::remove_cvref_t<R>>::encode(c.answer, result); });
    }
}

template <class F, class Tuple>
inline constexpr bool are_sendable_arguments = false;
template <class F, class... A>
inline constexpr bool are_sendable_arguments<F, std::tuple<A...>> = (is_sendable<A> && ...);

template <class F, class Tuple>
constexpr void check_call() noexcept
{
    check_function<F>();
    static_assert(are_sendable_arguments<F, Tuple>,
        "an argument cannot cross to a worker process: pointers, references (std::ref) and views do not; pass a value, and give "
        "its type a cereal `serialize`, or specialise tandem::codec");
}

/// A call as it goes into a frame.
template <class F, class Tuple>
void encode_call(frame_header& h, payload& bytes, const F& f, const Tuple& arguments)
{
    h.thunk = &run_one<F, Tuple>;
    store_function(h, f);
    encoder to;
    codec<Tuple>::encode(to, arguments);
    bytes = std::move(to).finish();
}

} // namespace tandem::detail
