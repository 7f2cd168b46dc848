#pragma once

#include <tandem/pool/args.hpp>
#include <tandem/pool/async_result.hpp>
#include <tandem/pool/bound_map.hpp>
#include <tandem/pool/detail/token_launch.hpp>
#include <tandem/pool/detail/work.hpp>
#include <tandem/pool/imap.hpp>
#include <tandem/pool/options.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <ranges>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace tandem {

/// The verbs of Python's `Pool`, over a backend `Pool` that derives from this: the same for every kind of pool.
///
/// Functions may be plain functions, lambdas, member functions or coroutine functions (returning `task<R>`); a coroutine is awaited,
/// and R is its result. A call owns copies of its function and arguments until it has ended; pass `std::ref(x)` for a reference.
///
/// Errors, of every verb: pool_closed after `close` (from outside; what runs in the pool may still submit) or `terminate`;
/// std::invalid_argument for an empty function or an option out of range. What a function throws comes out of `get`, or of the
/// blocking verb, as it was thrown; operation_cancelled when the pool terminated first.
/// Callbacks run in the pool, before the handle becomes ready, under no lock, and may use the pool; what they throw goes to the
/// `unhandled` hook. Thread safety: every verb from any thread.
template <class Pool>
class pool_verbs {
    template <class F, class Tuple>
    struct call_of;

public:
    /// Calls `f(a...)` in the pool and blocks for the result. On a thread of a thread pool it just calls.
    template <class F, class... A>
    decltype(auto) apply(F&& f, A&&... a)
    {
        return call_of<F, std::tuple<std::unwrap_ref_decay_t<A>...>>::blocking(self(), std::forward<F>(f), {std::forward<A>(a)...});
    }
    template <class F, class... A>
    decltype(auto) apply(F&& f, args_t<A...> a)
    {
        return call_of<F, typename args_t<A...>::tuple>::blocking(self(), std::forward<F>(f), std::move(a.values));
    }

    /// Calls `f(a...)` in the pool; the handle gives the result.
    template <class F, class... A>
    auto apply_async(F&& f, args_t<A...> a = {})
    {
        return submit("apply_async", bind("apply_async", std::forward<F>(f), std::move(a)), detail::no_sequel{});
    }

    /// The same, and then `then(result)`, or `then()` when the result is void; or `on_error(std::exception_ptr)` when the call fails. The
    /// result is passed as a const reference if `then` takes one.
    template <class F, class... A, class Callback>
        requires detail::is_callback_of<Callback, std::decay_t<F>, args_t<A...>>
    auto apply_async(F&& f, args_t<A...> a, Callback then)
    {
        return apply_async(std::forward<F>(f), std::move(a), std::move(then), detail::no_error_callback{});
    }
    template <class F, class... A, class Callback, class ErrorCallback>
    auto apply_async(F&& f, args_t<A...> a, Callback then, ErrorCallback on_error)
    {
        return submit_with_callbacks(
            "apply_async", bind("apply_async", std::forward<F>(f), std::move(a)), std::move(then), std::move(on_error));
    }

    /// The same with any Asio completion token of signature void(std::exception_ptr, R), or void(std::exception_ptr) for void: returns
    /// what the token says. The handler runs on its associated executor, by default in the pool; its cancellation slot
    /// cancels the call. Needs <tandem/io/completion_token.hpp>.
    template <class F, class... A, class Token>
        requires(!detail::is_callback_of<std::decay_t<Token>, std::decay_t<F>, args_t<A...>>)
    auto apply_async(F&& f, args_t<A...> a, Token&& token)
    {
        return detail::launch_with_token(detail::pool_launcher<Pool>{&self()}, "apply_async",
            bind("apply_async", std::forward<F>(f), std::move(a)), std::forward<Token>(token));
    }

    /// As `apply_async`, but gives nothing, at once, when `queue_limit` calls are waiting.
    template <class F, class... A>
    auto try_apply_async(F&& f, args_t<A...> a = {})
    {
        return self().try_launch("try_apply_async", bind("try_apply_async", std::forward<F>(f), std::move(a)), detail::no_sequel{});
    }

    /// Applies `f` to every item and blocks for the std::vector of the results, in order (nothing when `f` returns void). The first
    /// exception stops the rest and is rethrown once every call that had begun has ended.
    ///
    /// Plain functions: the workers claim chunks, and on a pool of two and more the calling thread works along in the place of one,
    /// unless the pool has an initializer. Coroutine functions: all items are under way at once, or `options.concurrency` of them.
    template <class Range, class F>
    auto map(F&& f, Range&& range, map_options options = {})
    {
        detail::check_range<Range>();
        static_assert(detail::maps_over<std::decay_t<F>, Range>, "map(f, range): f must be callable with an item of the range");
        check_map("map", f, options);
        return self().run_map("map", std::decay_t<F>(std::forward<F>(f)), std::forward<Range>(range), std::move(options));
    }
    /// As `map` with a range of tuples, each unpacked into the arguments of `f`.
    template <class Range, class F>
    auto starmap(F&& f, Range&& range, map_options options = {})
    {
        using star = detail::unpacking<std::decay_t<F>>;
        detail::check_range<Range>();
        static_assert(
            detail::maps_over<star, Range>, "starmap(f, range): f must be callable with the elements of a tuple of the range");
        check_map("starmap", f, options);
        return self().run_map("starmap", star{std::forward<F>(f)}, std::forward<Range>(range), std::move(options));
    }

    /// As `map`, at once giving a handle on the std::vector of results. The items are copied, or moved from an rvalue range.
    template <class Range, class F>
    auto map_async(F&& f, Range&& range, map_options options = {})
    {
        return submit("map_async",
            bind_map<std::decay_t<F>>("map_async", std::forward<F>(f), std::forward<Range>(range), std::move(options)),
            detail::no_sequel{});
    }
    /// The same with callbacks, which are called as those of `apply_async`.
    template <class Range, class F, class Callback, class ErrorCallback = detail::no_error_callback>
    auto map_async(F&& f, Range&& range, map_options options, Callback then, ErrorCallback on_error = {})
    {
        return submit_with_callbacks("map_async",
            bind_map<std::decay_t<F>>("map_async", std::forward<F>(f), std::forward<Range>(range), std::move(options)),
            std::move(then), std::move(on_error));
    }
    template <class Range, class F, class Callback, class ErrorCallback = detail::no_error_callback>
        requires(!std::convertible_to<Callback, map_options>)
    auto map_async(F&& f, Range&& range, Callback then, ErrorCallback on_error = {})
    {
        return map_async(std::forward<F>(f), std::forward<Range>(range), map_options{}, std::move(then), std::move(on_error));
    }
    /// As `map_async` with a range of tuples, each unpacked into the arguments of `f`.
    template <class Range, class F>
    auto starmap_async(F&& f, Range&& range, map_options options = {})
    {
        using star = detail::unpacking<std::decay_t<F>>;
        return submit("starmap_async",
            bind_map<star>(
                "starmap_async", star_of("starmap_async", std::forward<F>(f)), std::forward<Range>(range), std::move(options)),
            detail::no_sequel{});
    }
    template <class Range, class F, class Callback, class ErrorCallback = detail::no_error_callback>
    auto starmap_async(F&& f, Range&& range, map_options options, Callback then, ErrorCallback on_error = {})
    {
        using star = detail::unpacking<std::decay_t<F>>;
        return submit_with_callbacks("starmap_async",
            bind_map<star>(
                "starmap_async", star_of("starmap_async", std::forward<F>(f)), std::forward<Range>(range), std::move(options)),
            std::move(then), std::move(on_error));
    }
    template <class Range, class F, class Callback, class ErrorCallback = detail::no_error_callback>
        requires(!std::convertible_to<Callback, map_options>)
    auto starmap_async(F&& f, Range&& range, Callback then, ErrorCallback on_error = {})
    {
        return starmap_async(std::forward<F>(f), std::forward<Range>(range), map_options{}, std::move(then), std::move(on_error));
    }

    /// Applies `f` to the items lazily: results come one by one, in the range's order, while at most `options.window` items have been
    /// read but not given out. The range is read on the thread that asks for results; an lvalue range must outlive them.
    template <class Range, class F>
    auto imap(F&& f, Range&& range, imap_options options = {})
    {
        return make_imap("imap", true, std::forward<F>(f), std::forward<Range>(range), options);
    }
    /// The same in the order in which results become ready.
    template <class Range, class F>
    auto imap_unordered(F&& f, Range&& range, imap_options options = {})
    {
        return make_imap("imap_unordered", false, std::forward<F>(f), std::forward<Range>(range), options);
    }

private:
    friend Pool;
    pool_verbs() = default;

    Pool& self() noexcept { return static_cast<Pool&>(*this); }

    static void require_in_range(const char* verb, const char* option, std::size_t value, std::size_t least)
    {
        // The upper bound catches a negative number that became unsigned.
        if (value < least || value > static_cast<std::size_t>(PTRDIFF_MAX))
            throw std::invalid_argument(std::string(verb) + ": " + option + " must be at least " + std::to_string(least) +
                                        ", not " + std::to_string(static_cast<std::ptrdiff_t>(value)));
    }

    template <class F>
    static void check_map(const char* verb, const F& f, const map_options& o)
    {
        detail::require_callable(verb, "function", f);
        require_in_range(verb, "chunk", o.chunk, 0);
        require_in_range(verb, "concurrency", o.concurrency, 0);
    }

    template <class F, class Tuple>
    struct call_of {
        using bound = detail::bound_call<std::decay_t<F>, Tuple>;
        static_assert(detail::is_applicable<std::decay_t<F>, Tuple>,
            "apply(f, a...): f must be callable with copies of the arguments; pass "
            "std::ref(x) where it takes a non-const reference");

        template <class G>
        static decltype(auto) blocking(Pool& p, G&& f, Tuple a)
        {
            detail::require_callable("apply", "function", f);
            return p.run_call("apply", bound{std::forward<G>(f), std::move(a)});
        }
    };

    template <class F, class... A>
    static auto bind(const char* verb, F&& f, args_t<A...>&& a)
    {
        using tuple = typename args_t<A...>::tuple;
        static_assert(detail::is_applicable<std::decay_t<F>, tuple>,
            "apply_async(f, args(a...)): f must be callable with copies of the "
            "arguments; pass std::ref(x) where it takes a non-const reference");
        detail::require_callable(verb, "function", f);
        return detail::bound_call<std::decay_t<F>, tuple>{std::forward<F>(f), std::move(a.values)};
    }

    template <class F, class Range, class G>
    static auto bind_map(const char* verb, G&& f, Range&& range, map_options options)
    {
        using view = detail::owned_items<Range>;
        static_assert(detail::maps_over<F, view>, "map_async(f, range): f must be callable with a copy of an item of the range, as "
                                                  "an lvalue; or, for starmap_async, with the elements of "
                                                  "such a tuple");
        check_map(verb, f, options);
        std::vector<std::ranges::range_value_t<Range>> items;
        if constexpr (std::is_same_v<std::remove_cvref_t<Range>, decltype(items)>)
            items = std::forward<Range>(range);
        else {
            if constexpr (std::ranges::sized_range<Range>)
                items.reserve(std::ranges::size(range));
            for (auto&& i : range) {
                if constexpr (std::is_lvalue_reference_v<Range> || std::ranges::view<std::remove_cvref_t<Range>>)
                    items.emplace_back(std::forward<decltype(i)>(i));
                else
                    items.emplace_back(std::move(i));
            }
        }
        return detail::owned_map<F, view>{std::forward<G>(f), view(std::move(items)), std::move(options)};
    }

    template <class F>
    static detail::unpacking<std::decay_t<F>> star_of(const char* verb, F&& f)
    {
        detail::require_callable(verb, "function", f);
        return {std::forward<F>(f)};
    }

    template <class Call, class Sequel>
    auto submit(const char* verb, Call&& c, Sequel&& s)
    {
        return self().launch(verb, std::forward<Call>(c), std::forward<Sequel>(s));
    }
    template <class Call, class Callback, class ErrorCallback>
    auto submit_with_callbacks(const char* verb, Call&& c, Callback&& then, ErrorCallback&& on_error)
    {
        return submit(
            verb, std::move(c), detail::callbacks<detail::call_value_t<Call>>(verb, std::move(then), std::move(on_error)));
    }

    template <class F, class Range>
    auto make_imap(const char* verb, bool ordered, F&& f, Range&& range, imap_options o)
    {
        detail::check_range<Range>();
        using view = std::views::all_t<Range>;
        static_assert(detail::maps_over<std::decay_t<F>, view>, "imap(f, range): f must be callable with an item of the range");
        detail::require_callable(verb, "function", f);
        require_in_range(verb, "chunk", o.chunk, 1);
        if (o.window == 0) {
            const std::size_t chunks = 4 * self().size();
            o.window = o.chunk <= static_cast<std::size_t>(PTRDIFF_MAX) / chunks ? chunks * o.chunk
                                                                                 : static_cast<std::size_t>(PTRDIFF_MAX);
        }
        require_in_range(verb, "window", o.window, o.chunk);
        self().check_open(verb);
        return detail::make_imap<std::decay_t<F>, view>(
            self(), verb, ordered, std::forward<F>(f), std::views::all(std::forward<Range>(range)), o);
    }
};

} // namespace tandem
