// For implementers of process pools; users include <tandem/process/process_pool.hpp>.
#pragma once

#include <tandem/process/codec.hpp>
#include <tandem/process/detail/frame.hpp>
#include <tandem/process/detail/remote_task.hpp>
#include <tandem/process/encoder.hpp>
#include <tandem/process/worker_call.hpp>

#include <array>
#include <bit>
#include <cstring>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <typeinfo>
#include <utility>

// Functions and their arguments: whether they can cross, and how.

namespace tandem::detail {

/// Whether a function can cross: it is an address in the program, or nothing but a type.
template <class F>
inline constexpr bool is_sendable_function =
    is_function_pointer<F> || std::is_member_pointer_v<F> || (std::is_empty_v<F> && std::is_trivially_copyable_v<F>);

template <class F>
struct unpacking; // of the pool's verbs, for starmap
template <class F>
inline constexpr bool is_sendable_function<unpacking<F>> = is_sendable_function<F>;

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

/// The type that names a function in messages.
template <class F>
struct named_function {
    using type = F;
};
template <class F>
struct named_function<unpacking<F>> {
    using type = F;
};

/// Says by name, for messages, what a task runs.
template <class F>
void name_function(remote_task& t) noexcept
{
    t.function = &typeid(typename named_function<F>::type);
}

/// What a task runs: in its frame for the worker, and by name.
template <class F>
void set_function(remote_task& t, void (*thunk)(worker_call&), const F& f) noexcept
{
    t.header.thunk = thunk;
    store_function(t.header, f);
    name_function<F>(t);
}

template <class F>
F load_function(const frame_header& h) noexcept
{
    std::array<unsigned char, sizeof(F)> bytes{};
    std::memcpy(bytes.data(), h.function, sizeof(F));
    return std::bit_cast<F>(bytes);
}

/// What an argument is on the way: itself, or for a string literal the string.
template <class A>
struct wire {
    using type = A;
    static const A& from(const A& a) noexcept { return a; }
    static A&& to(A& a) noexcept { return std::move(a); }
};
template <>
struct wire<const char*> {
    using type = std::string;
    static std::string from(const char* s)
    {
        if (!s)
            throw std::invalid_argument("a null pointer is no text");
        return s;
    }
    static const char* to(const std::string& s) noexcept { return s.c_str(); }
};
template <class A>
using wire_t = typename wire<A>::type;

/// A call of one function with a tuple of arguments.
template <class F, class Tuple>
struct one_call;
template <class F, class... A>
struct one_call<F, std::tuple<A...>> {
    static constexpr bool sendable_arguments = (is_sendable<wire_t<A>> && ...);

    static void encode(encoder& to, const std::tuple<A...>& arguments)
    {
        std::apply([&](const auto&... a) { (codec<wire_t<A>>::encode(to, wire<A>::from(a)), ...); }, arguments);
    }
    static void run(worker_call& c)
    {
        F f = load_function<F>(*c.header);
        using tuple = std::tuple<wire_t<A>...>;
        std::optional<tuple> arguments;
        decode_arguments(c, [&](decoder& from) { arguments.emplace(codec<tuple>::decode(from)); });
        const auto call = [&]() -> decltype(auto) {
            return std::apply(
                [&](auto&... a) -> decltype(auto) { return std::invoke(std::move(f), wire<A>::to(a)...); }, *arguments);
        };
        using R = decltype(finish_call(call));
        if constexpr (std::is_void_v<R>)
            finish_call(call);
        else {
            decltype(auto) result = finish_call(call);
            encode_answer([&] { codec<std::remove_cvref_t<R>>::encode(c.answer, result); });
        }
    }
};

template <class F, class Tuple>
constexpr void check_call() noexcept
{
    check_function<F>();
    static_assert(one_call<F, Tuple>::sendable_arguments,
        "an argument cannot cross to a worker process: pointers, references (std::ref) and views do not; pass a value, and give "
        "its type a cereal `serialize`, or specialise tandem::codec");
}

/// A call as it goes into a frame.
template <class F, class Tuple>
void encode_call(frame_header& h, payload& bytes, const F& f, const Tuple& arguments)
{
    h.thunk = &one_call<F, Tuple>::run;
    store_function(h, f);
    encoder to;
    one_call<F, Tuple>::encode(to, arguments);
    bytes = std::move(to).finish();
}

} // namespace tandem::detail
