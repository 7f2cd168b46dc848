// codec<T>: how a value crosses to another process.
#pragma once

#include <tandem/process/cereal_archive.hpp>
#include <tandem/process/encoder.hpp>

#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace tandem {

/// How values of type T cross between processes of the same program. The default handles numbers, enumerations, function pointers,
/// strings, vectors, pairs and tuples itself, and everything else with cereal: the std containers, optional, variant, smart pointers,
/// chrono, and every type that has a cereal `serialize` (or save and load) and a default constructor.
///
/// Specialise it for a type of your own with
///
///     template <> struct tandem::codec<shape> {
///         static void encode(encoder& to, const shape& s);
///         static shape decode(decoder& from);
///     };
///
/// or, for a struct that is nothing but bytes (no pointers in it), `template <> struct tandem::codec<point> : tandem::bytes_codec<point> {};`.
/// Both may throw: the call then ends with codec_error. They may run on any thread of the parent, and must not block.
template <class T>
struct codec {
    using is_default = void;
    static void encode(encoder& to, const T& value);
    static T decode(decoder& from);
};

/// The codec of a trivially copyable type that refers to nothing outside itself.
template <class T>
struct bytes_codec {
    static_assert(std::is_trivially_copyable_v<T>, "bytes_codec<T>: T must be trivially copyable");
    static void encode(encoder& to, const T& value) { to.write(&value, sizeof value); }
    static T decode(decoder& from)
    {
        std::array<std::byte, sizeof(T)> bytes;
        from.read(bytes.data(), sizeof(T));
        return std::bit_cast<T>(bytes);
    }
};

namespace detail {

template <class T>
concept has_own_codec = !requires { typename codec<T>::is_default; };

template <class T>
inline constexpr bool is_function_pointer = std::is_pointer_v<T> && std::is_function_v<std::remove_pointer_t<T>>;
/// What is sent as the bytes that it is.
template <class T>
inline constexpr bool is_plain = std::is_arithmetic_v<T> || std::is_enum_v<T> || is_function_pointer<T>;

template <class T>
inline constexpr bool is_vector = false;
template <class T>
inline constexpr bool is_vector<std::vector<T>> = !std::is_same_v<T, bool>;
template <class T>
inline constexpr bool is_string = false;
template <class C>
inline constexpr bool is_string<std::basic_string<C>> = true;
/// A contiguous container of plain elements, sent as one block.
template <class T>
inline constexpr bool is_block = is_string<T>;
template <class T>
inline constexpr bool is_block<std::vector<T>> = is_plain<T> && !std::is_same_v<T, bool> && !has_own_codec<T>;
template <class T>
inline constexpr bool is_pair_or_tuple = false;
template <class... T>
inline constexpr bool is_pair_or_tuple<std::tuple<T...>> = true;
template <class A, class B>
inline constexpr bool is_pair_or_tuple<std::pair<A, B>> = true;

template <class T>
struct sendable;
template <class T>
inline constexpr bool is_sendable = sendable<T>::value;
template <class T>
inline constexpr bool is_no_pointer = !std::is_reference_v<T> && (!std::is_pointer_v<T> || is_function_pointer<T>);

/// Whether cereal can do it; no look inside containers, which have their say when they are instantiated.
template <class T>
inline constexpr bool is_cerealisable = false;
template <class T>
    requires(std::is_class_v<T> && std::default_initializable<T>)
inline constexpr bool is_cerealisable<T> = cereal::traits::is_output_serializable<T, output_archive>::value &&
                                           cereal::traits::is_input_serializable<T, input_archive>::value;

template <class T>
struct sendable : std::false_type {}; // void, references, arrays, functions
template <class T>
    requires(std::is_object_v<T> && !std::is_array_v<T>)
struct sendable<T> : std::bool_constant<is_plain<T> || has_own_codec<T> || is_cerealisable<T>> {};
template <template <class...> class C, class... A>
struct sendable<C<A...>> : std::bool_constant<has_own_codec<C<A...>> || ((is_no_pointer<A> && ...) && is_cerealisable<C<A...>>)> {};
template <class T>
struct sendable<std::vector<T>> : sendable<std::remove_cv_t<T>> {};
template <class C>
struct sendable<std::basic_string<C>> : std::true_type {};
template <class... T>
struct sendable<std::tuple<T...>> : std::bool_constant<(is_sendable<std::remove_cv_t<T>> && ...)> {};
template <class A, class B>
struct sendable<std::pair<A, B>> : std::bool_constant<is_sendable<std::remove_cv_t<A>> && is_sendable<std::remove_cv_t<B>>> {};

template <class T>
void encode_block(encoder& to, const T& v)
{
    const std::uint64_t n = v.size();
    to.write(&n, sizeof n);
    to.align(alignof(typename T::value_type));
    to.write(v.data(), n * sizeof(typename T::value_type));
}

/// n elements, without their count before them.
template <class T>
T decode_block_of(decoder& from, std::size_t n)
{
    using value = typename T::value_type;
    from.align(alignof(value));
    if (n > from.remaining() / sizeof(value))
        throw codec_error("decode: the bytes end before the value does");
    const void* const p = from.take(n * sizeof(value));
    // One pass over fresh memory, where it lies well; a vector that is made first and filled then is written twice.
    if (reinterpret_cast<std::uintptr_t>(p) % alignof(value) == 0)
        return T(static_cast<const value*>(p), static_cast<const value*>(p) + n);
    T v(n, value{});
    if (n > 0)
        std::memcpy(v.data(), p, n * sizeof(value));
    return v;
}

/// A block that has n elements, to where they belong.
template <class E>
void decode_block_to(decoder& from, E* place, std::size_t n)
{
    if (from.read_count(sizeof(E)) != n)
        throw codec_error("decode: a worker gave another number of results than it got items");
    from.align(alignof(E));
    from.read(place, n * sizeof(E));
}

template <class T>
T decode_block(decoder& from)
{
    return decode_block_of<T>(from, from.read_count(sizeof(typename T::value_type)));
}

} // namespace detail

/// Whether a T can cross to another process.
template <class T>
concept sendable_value = detail::is_sendable<std::remove_cvref_t<T>>;

// -----------------------------------------------------------------------------------------------

template <class T>
void codec<T>::encode(encoder& to, const T& value)
{
    if constexpr (detail::is_plain<T>)
        to.write(&value, sizeof value);
    else if constexpr (detail::is_block<T>)
        detail::encode_block(to, value);
    else if constexpr (detail::is_vector<T>) {
        const std::uint64_t n = value.size();
        to.write(&n, sizeof n);
        for (const auto& v : value)
            codec<typename T::value_type>::encode(to, v);
    }
    else if constexpr (detail::is_pair_or_tuple<T>)
        std::apply([&](const auto&... part) { (codec<std::remove_cvref_t<decltype(part)>>::encode(to, part), ...); }, value);
    else {
        detail::output_archive archive(to);
        archive(value);
    }
}

template <class T>
T codec<T>::decode(decoder& from)
{
    if constexpr (detail::is_plain<T>)
        return bytes_codec<T>::decode(from);
    else if constexpr (detail::is_block<T>)
        return detail::decode_block<T>(from);
    else if constexpr (detail::is_vector<T>) {
        const std::size_t n = from.read_count(0);
        T v;
        v.reserve(n < 4096 ? n : 4096); // a damaged count must not ask for all memory
        for (std::size_t i = 0; i < n; ++i)
            v.push_back(codec<typename T::value_type>::decode(from));
        return v;
    }
    else if constexpr (detail::is_pair_or_tuple<T>)
        // In braces the parts are read in their order.
        return [&]<std::size_t... I>(std::index_sequence<I...>) {
            return T{codec<std::remove_cv_t<std::tuple_element_t<I, T>>>::decode(from)...};
        }(std::make_index_sequence<std::tuple_size_v<T>>());
    else {
        T value{};
        detail::input_archive archive(from);
        archive(value);
        return value;
    }
}

namespace detail {

// Types with a codec of their own, inside what cereal takes apart.
template <has_own_codec T>
void CEREAL_SAVE_FUNCTION_NAME(output_archive& to, const T& value)
{
    codec<T>::encode(to.sink(), value);
}
template <has_own_codec T>
void CEREAL_LOAD_FUNCTION_NAME(input_archive& from, T& value)
{
    value = codec<T>::decode(from.source());
}

} // namespace detail

} // namespace tandem
