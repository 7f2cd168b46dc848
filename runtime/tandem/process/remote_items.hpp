// For implementers of process pools; users include <tandem/process/process_pool.hpp>.
#pragma once

#include <tandem/base/outcome.hpp>
#include <tandem/combine/map.hpp>
#include <tandem/pool/imap.hpp>
#include <tandem/process/exception_codec.hpp>
#include <tandem/process/remote_function.hpp>
#include <tandem/process/worker_call.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <ranges>
#include <type_traits>
#include <utility>
#include <vector>

// Chunks of items: how they cross, and what a worker does with them.

namespace tandem {

/// The outcomes of a chunk of an imap.
template <class R>
struct codec<outcome<R>> {
    static void encode(encoder& to, const outcome<R>& o)
    {
        const bool good = o.has_value();
        to.write(&good, sizeof good);
        if (!good)
            detail::encode_exception(to, o.error());
        else if constexpr (!std::is_void_v<R>)
            codec<std::remove_cvref_t<R>>::encode(to, *o);
    }
    static outcome<R> decode(decoder& from)
    {
        bool good = false;
        from.read(&good, sizeof good);
        outcome<R> o;
        if (!good)
            o.set_error(detail::decode_exception(from));
        else if constexpr (std::is_void_v<R>)
            o.emplace();
        else
            o.emplace(codec<R>::decode(from));
        return o;
    }
};

namespace detail {

/// What of a range's item crosses: its value.
template <class View>
using sent_item = std::remove_cv_t<std::ranges::range_value_t<View>>;

/// Whether the items of a chunk go as one block, without a look at each.
template <class View>
inline constexpr bool sent_as_block = is_block<std::vector<sent_item<View>>>;

template <class View, class F>
constexpr void check_items() noexcept
{
    check_function<F>();
    static_assert(is_sendable<sent_item<View>>,
        "an item of this range cannot cross to a worker process: pointers and views do not; give "
        "the type a cereal `serialize`, or specialise tandem::codec");
    using R = std::remove_cvref_t<map_value_t<F, std::ranges::range_reference_t<View>>>;
    static_assert(std::is_void_v<R> || is_sendable<R>,
        "this result cannot cross back from a worker process: pointers and views do not; "
        "give the type a cereal `serialize`, or specialise tandem::codec");
}

/// Calls `f` with an item as the range would give it.
template <class Reference, class F, class Item>
decltype(auto) call_with_item(F& f, Item& item)
{
    if constexpr (std::is_lvalue_reference_v<Reference>)
        return detail::invoke(f, static_cast<Reference>(item));
    else if constexpr (std::is_constructible_v<Reference, Item>)
        return detail::invoke(f, static_cast<Reference>(std::move(item)));
    else
        return detail::invoke(f, std::move(item));
}

/// In a worker: the number of items is in the frame.
template <class View>
std::vector<sent_item<View>> decode_items(worker_call& c)
{
    using item = sent_item<View>;
    std::vector<item> items;
    decode_arguments(c, [&](decoder& from) {
        if constexpr (sent_as_block<View>) {
            items = decode_block_of<std::vector<item>>(from, c.header->count);
            return;
        }
        items.reserve(c.header->count);
        for (std::uint64_t k = 0; k < c.header->count; ++k)
            items.push_back(codec<item>::decode(from));
    });
    return items;
}

/// Results of a chunk; void has none.
template <class R>
struct chunk_results {
    using type = std::vector<std::remove_cvref_t<R>>;
};
template <>
struct chunk_results<void> {
    using type = char;
};

/// The same where an object must be.
template <class R>
using nonvoid_chunk = typename chunk_results<R>::type;

/// A chunk of a map: the first exception is that of the chunk.
template <class View, class F>
void run_map_chunk(worker_call& c)
{
    using reference = std::ranges::range_reference_t<View>;
    using R = map_value_t<F, reference>;
    F f = load_function<F>(*c.header);
    auto items = decode_items<View>(c);
    const auto before = std::chrono::steady_clock::now();
    typename chunk_results<R>::type results{};
    if constexpr (maps_tasks<View, F>) {
        std::vector<task_for<map_call_t<F, reference>>> calls;
        for (auto&& i : items)
            calls.push_back(as_task(call_with_item<reference>(f, i)));
        if constexpr (std::is_void_v<R>)
            tandem::sync_wait(when_all(std::move(calls)));
        else
            for (auto&& r : tandem::sync_wait(when_all(std::move(calls))))
                results.push_back(std::move(r));
    }
    else {
        if constexpr (!std::is_void_v<R>)
            results.reserve(items.size());
        for (auto&& i : items)
            if constexpr (std::is_void_v<R>)
                call_with_item<reference>(f, i);
            else
                results.push_back(call_with_item<reference>(f, i));
    }
    c.nanoseconds = static_cast<std::uint64_t>(std::chrono::nanoseconds(std::chrono::steady_clock::now() - before).count());
    if constexpr (!std::is_void_v<R>)
        encode_answer([&] { codec<decltype(results)>::encode(c.answer, results); });
}

/// A chunk of an imap: an outcome each.
template <class View, class F>
void run_imap_chunk(worker_call& c)
{
    using reference = std::ranges::range_reference_t<View>;
    using R = map_value_t<F, reference>;
    F f = load_function<F>(*c.header);
    auto items = decode_items<View>(c);
    static_assert(!std::is_reference_v<R>, "imap: a result that is a reference cannot cross to this process; return a value");
    std::vector<outcome<R>> results(items.size());
    for (std::size_t k = 0; k < items.size(); ++k)
        capture(results[k],
            [&]() -> R { return finish_call([&]() -> decltype(auto) { return call_with_item<reference>(f, items[k]); }); });
    encode_answer([&] { codec<decltype(results)>::encode(c.answer, results); });
}

} // namespace detail

} // namespace tandem
