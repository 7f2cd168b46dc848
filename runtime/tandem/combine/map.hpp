#pragma once

#include <tandem/combine/bulk.hpp>
#include <tandem/combine/result_buffer.hpp>
#include <tandem/combine/when_all.hpp>
#include <tandem/task/awaitable.hpp>

#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <ranges>
#include <type_traits>
#include <utility>
#include <vector>

namespace tandem {

struct map_limits {
    std::size_t concurrency = 0; ///< how many items may be under way at once; 0: all (plain functions: one per worker)
};

namespace detail {

template <class F, class Item>
using map_call_t = std::invoke_result_t<F&, Item>;
template <class F, class Item>
concept map_function = std::invocable<F&, Item>;

template <class R>
struct unwrap_task {
    using type = R;
};
template <awaitable R>
struct unwrap_task<R> {
    using type = await_result_t<R>;
};
/// What a call gives in the end: itself, or what its task gives.
template <class F, class Item>
using map_value_t = typename unwrap_task<map_call_t<F, Item>>::type;

} // namespace detail

/// Applies `f` to every item of `range`, concurrently, and gives a std::vector of the results in the range's order (void when `f`
/// returns nothing). `f` is a coroutine function or a plain one.
///
/// Coroutines: `limits.concurrency` of them are under way at once, 0 meaning all; with a limit the range is read lazily, one item when
/// there is room for it, so it may be endless as long as something ends the map. Plain functions over a random-access range run
/// as a loop shared out among the pool's workers.
/// Errors: the first exception (of `f` or of the range) asks the rest to stop, everything started is awaited, then it is rethrown.
/// Cancellation: reaches every call under way. Lifetime: an lvalue range, and what `f` refers to, must live until the map has ended;
/// an rvalue range moves in. The range is read by one thread at a time, not always the same.
/// Cost: one frame per item for coroutines; for plain functions none, and O(workers) jobs in all.
///
///     std::vector<page> pages = co_await tandem::map(urls, fetch, {.concurrency = 16});
template <std::ranges::input_range Range, class F>
    requires detail::map_function<F, std::ranges::range_reference_t<Range>>
[[nodiscard("co_await it, or co_spawn it")]] auto map(Range&& range, F f, map_limits limits = {});

// -----------------------------------------------------------------------------------------------

namespace detail {

/// What both faces of map can be told.
struct map_settings {
    std::size_t concurrency = 0;
    std::size_t chunk = 0;
    bulk::progress_function* progress = nullptr;
};

/// Coroutines with a limit: runners that each take the next item when they are done with the one before.
template <class View, class F>
class limited_map {
    using item = std::ranges::range_reference_t<View>;
    using R = map_value_t<F, item>;
    using slot = std::optional<nonvoid<stored_result<R>>>;

public:
    limited_map(View&& v, F&& f) : range_(std::move(v)), f_(std::move(f)) {}

    task<void> run()
    {
        // Mapping one item to completion, then the next; an exception ends this runner and, through when_all, the others.
        const tandem::stop_token stop = co_await this_task::stop_token();
        for (;;) {
            if (stop.stop_requested())
                throw operation_cancelled("map was asked to stop");
            std::pair<slot*, std::optional<call_t>> n = next();
            if (!n.first)
                co_return;
            if constexpr (std::is_void_v<R>)
                co_await std::move(*n.second);
            else
                n.first->emplace(co_await std::move(*n.second));
        }
    }

    auto take()
    {
        if constexpr (!std::is_void_v<R>) {
            std::vector<stored_result<R>> v;
            v.reserve(places_.size());
            for (slot& s : places_)
                v.push_back(std::move(*s));
            return v;
        }
    }

private:
    using call_t = map_call_t<F, item>;

    std::pair<slot*, std::optional<call_t>> next()
    {
        const std::lock_guard lock(m_);
        if (std::exchange(over_, true)) // at its end, or it has thrown: not to be read again
            return {nullptr, std::nullopt};
        if (!it_)
            it_.emplace(std::ranges::begin(range_));
        else
            ++*it_;
        if (*it_ == std::ranges::end(range_))
            return {nullptr, std::nullopt};
        slot* const place = &places_.emplace_back();
        // The call is made here, under the lock, because an input range's item lives only until the next is read; a coroutine
        // function only builds its frame.
        std::pair<slot*, std::optional<call_t>> n{place, detail::invoke(f_, **it_)};
        over_ = false;
        return n;
    }

    std::mutex m_;
    View range_;
    F f_;
    std::optional<std::ranges::iterator_t<View>> it_;
    bool over_ = false;
    std::deque<slot> places_; // keeps its elements where they are
};

template <class View, class F>
auto map_tasks(View range, F f, map_settings limits) -> task<decltype(std::declval<limited_map<View, F>&>().take())>
{
    using item = std::ranges::range_reference_t<View>;
    if (limits.concurrency == 0) {
        std::vector<task_for<map_call_t<F, item>>> calls;
        if constexpr (std::ranges::sized_range<View>)
            calls.reserve(std::ranges::size(range));
        for (auto&& i : range)
            calls.push_back(as_task(detail::invoke(f, std::forward<decltype(i)>(i))));
        auto all = when_all(std::move(calls));
        co_return co_await std::move(all);
    }
    else {
        std::size_t n = limits.concurrency;
        if constexpr (std::ranges::sized_range<View>)
            if (const auto size = static_cast<std::size_t>(std::ranges::size(range)); size < n)
                n = size;
        limited_map<View, F> m(std::move(range), std::move(f));
        std::vector<task<void>> runners;
        for (std::size_t k = 0; k < n; ++k)
            runners.push_back(m.run());
        auto all = when_all(std::move(runners));
        co_await std::move(all);
        co_return m.take();
    }
}

/// Plain functions over an index space, on the workers of a scheduler.
template <class View, class F>
class map_loop final : public bulk {
    using item = std::ranges::range_reference_t<View>;
    using R = map_call_t<F, item>;

public:
    map_loop(View& v, F& f, std::size_t n, std::size_t chunk, stop_token stop, progress_function* progress = nullptr)
        : bulk(n, chunk, stop, progress), results(n), range_(&v), f_(&f)
    {
    }

    result_buffer<R> results;

private:
    void run(std::size_t begin, std::size_t end) override
    {
        auto it = std::ranges::begin(*range_) + static_cast<std::ranges::range_difference_t<View>>(begin);
        for (std::size_t i = begin; i < end; ++i, ++it)
            if constexpr (std::is_void_v<R>)
                detail::invoke(*f_, *it);
            else
                results.put(i, detail::invoke(*f_, *it));
    }

    View* range_;
    F* f_;
};

/// Holds a reference on a bulk for a scope.
template <class Loop>
class bulk_holder {
public:
    explicit bulk_holder(Loop* l) noexcept : loop_(l) {}
    ~bulk_holder() { loop_->release(); }
    bulk_holder(const bulk_holder&) = delete;
    bulk_holder& operator=(const bulk_holder&) = delete;
    Loop* operator->() const noexcept { return loop_; }

private:
    Loop* loop_;
};

template <class View, class F>
auto map_plain(View range, F f, map_settings limits)
    -> task<decltype(std::declval<result_buffer<map_call_t<F, std::ranges::range_reference_t<View>>>>().take())>
{
    environment& env = co_await this_task::current_environment();
    scheduler* const s = env.ctx->work_stealing();
    if constexpr (std::ranges::random_access_range<View> && std::ranges::sized_range<View>) {
        if (s) {
            const auto n = static_cast<std::size_t>(std::ranges::size(range));
            const bulk_holder loop(new map_loop<View, F>(range, f, n, limits.chunk, env.stop.get_token(), limits.progress));
            if (n > 0) {
                const bool limited = limits.concurrency != 0 && limits.concurrency < s->size();
                loop->start(*s, limited ? limits.concurrency : s->size(), false);
                co_await loop->done.uninterrupted();
            }
            if (loop->error()) {
                loop->results.clear();
                std::rethrow_exception(loop->error());
            }
            co_return std::move(loop->results).take();
        }
    }
    // Not on a pool, or one item after the other: a plain loop.
    using R = map_call_t<F, std::ranges::range_reference_t<View>>;
    if constexpr (std::is_void_v<R>)
        for (auto&& i : range)
            detail::invoke(f, std::forward<decltype(i)>(i));
    else {
        std::vector<stored_result<R>> results;
        for (auto&& i : range)
            results.push_back(detail::invoke(f, std::forward<decltype(i)>(i)));
        co_return results;
    }
}

template <class View, class F>
inline constexpr bool maps_tasks = awaitable<map_call_t<F, std::ranges::range_reference_t<View>>>;

template <class View, class F>
auto map_view(View range, F f, map_settings settings)
{
    if constexpr (maps_tasks<View, F>)
        return map_tasks<View, F>(std::move(range), std::move(f), settings);
    else
        return map_plain<View, F>(std::move(range), std::move(f), settings);
}

} // namespace detail

template <std::ranges::input_range Range, class F>
    requires detail::map_function<F, std::ranges::range_reference_t<Range>>
auto map(Range&& range, F f, map_limits limits)
{
    return detail::map_view<std::views::all_t<Range>, F>(
        std::views::all(std::forward<Range>(range)), std::move(f), {.concurrency = limits.concurrency});
}

} // namespace tandem
