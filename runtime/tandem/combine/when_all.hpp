#pragma once

#include <tandem/base/inplace_vector.hpp>
#include <tandem/base/outcome.hpp>
#include <tandem/combine/detail/children.hpp>
#include <tandem/combine/detail/join_awaiter.hpp>
#include <tandem/combine/result_buffer.hpp>
#include <tandem/task/awaitable.hpp>

#include <array>
#include <cstddef>
#include <iterator>
#include <optional>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace tandem {

namespace detail {

template <class... Tasks>
class when_all_pack;
template <class Tasks>
class when_all_range;
template <class... Tasks>
class settled_pack;
template <class Tasks>
class settled_range;

} // namespace detail

/// Runs the given awaitables (tasks, combinators, async_results), concurrently on a pool, and gives a tuple of their values when
/// all have ended; std::monostate stands for void.
///
/// Errors: the first exception asks the others to stop, is rethrown as it was thrown once all have ended, and later ones go to
/// the observer. Children that have not begun by then are not started.
/// Cancellation: a stop request of the awaiting task reaches every child.
/// Lifetime: what is returned is awaited once, and counts as a task: it can be spawned or passed to another combinator.
/// Cost: no allocation and, on a pool, no atomic read-modify-write unless a child is stolen; the first child runs inline.
///
///     auto [a, b] = co_await tandem::when_all(fib(n - 1), fib(n - 2));
template <awaitable... A>
[[nodiscard("co_await it, or co_spawn it")]] auto when_all(A... a)
{
    return detail::joined<detail::when_all_pack<task_for<A>...>>(as_task(std::move(a))...);
}

/// The same of a range of awaitables of one type: a std::vector of the values in the range's order; void when the awaitables give void. Of
/// tasks in a std::array or an inplace_vector the values are in one of the same size. The range is taken over; but tasks that a std::span
/// names stay where they are, and must until the end of the wait (of a span of fixed extent the values are in a std::array).
/// Cost: for a vector two allocations, else none.
template <detail::range_of_awaitables Range>
[[nodiscard("co_await it, or co_spawn it")]] auto when_all(Range&& range);

/// As `when_all`, but every child runs to its end whatever the others do, and the result holds an `outcome` for each: its value or
/// what it threw. Throws nothing itself.
template <awaitable... A>
[[nodiscard("co_await it, or co_spawn it")]] auto when_all_settled(A... a)
{
    return detail::joined<detail::settled_pack<task_for<A>...>>(as_task(std::move(a))...);
}
template <detail::range_of_awaitables Range>
[[nodiscard("co_await it, or co_spawn it")]] auto when_all_settled(Range&& range);

// -----------------------------------------------------------------------------------------------

namespace detail {

template <class T>
outcome<T> take_outcome(task<T>& t)
{
    outcome<T> o;
    if (const std::exception_ptr& e = task_access::error(t))
        o.set_error(e);
    else if constexpr (std::is_void_v<T>)
        o.emplace();
    else
        o.emplace(task_access::take(t));
    return o;
}

/// What `take` makes of each task, in the kind of container that the tasks are in.
template <class Value, class Tasks, class Take>
std::vector<Value> take_each(Tasks& tasks, Take take)
{
    std::vector<Value> values;
    values.reserve(tasks.size());
    for (auto& t : tasks)
        values.emplace_back(take(t));
    return values;
}
template <class Value, class Task, std::size_t N, class Take>
    requires(N != std::dynamic_extent)
std::array<Value, N> take_each(std::span<Task, N>& tasks, Take take)
{
    return [&]<std::size_t... I>(std::index_sequence<I...>) { return std::array<Value, N>{Value(take(tasks[I]))...}; }(
               std::make_index_sequence<N>{});
}
template <class Value, class Task, std::size_t N, class Take>
std::array<Value, N> take_each(std::array<Task, N>& tasks, Take take)
{
    std::span<Task, N> all(tasks);
    return take_each<Value>(all, take);
}

template <class Value, class Task, std::size_t N, class Take>
inplace_vector<Value, N> take_each(inplace_vector<Task, N>& tasks, Take take)
{
    inplace_vector<Value, N> values;
    for (auto& t : tasks)
        values.unchecked_emplace_back(take(t));
    return values;
}

template <class... Tasks>
class when_all_pack : public pack_children<Tasks...> {
public:
    static constexpr join_policy policy = join_policy::first_error;
    using pack_children<Tasks...>::pack_children;

    TANDEM_ALWAYS_INLINE auto result()
    {
        return this->take_all([](auto& t) -> decltype(auto) { return take_unchecked(t); });
    }
};

template <class... Tasks>
class settled_pack : public pack_children<Tasks...> {
public:
    static constexpr join_policy policy = join_policy::none;
    using pack_children<Tasks...>::pack_children;

    auto result()
    {
        return this->take_all([](auto& t) { return take_outcome(t); });
    }
};

template <class Tasks>
class when_all_range : public range_children<Tasks> {
public:
    static constexpr join_policy policy = join_policy::first_error;
    using range_children<Tasks>::range_children;

    auto result()
    {
        using T = typename Tasks::value_type::value_type;
        if constexpr (!std::is_void_v<T>)
            return take_each<stored_result<T>>(this->tasks_, [](auto& t) -> T { return task_access::take_unchecked(t); });
    }
};

template <class Tasks>
class settled_range : public range_children<Tasks> {
public:
    static constexpr join_policy policy = join_policy::none;
    using range_children<Tasks>::range_children;

    auto result()
    {
        return take_each<outcome<typename Tasks::value_type::value_type>>(this->tasks_, [](auto& t) { return take_outcome(t); });
    }
};

} // namespace detail

template <detail::range_of_awaitables Range>
auto when_all(Range&& range)
{
    auto&& tasks = detail::tasks_of(std::forward<Range>(range));
    return detail::joined<detail::when_all_range<std::remove_cvref_t<decltype(tasks)>>>(std::move(tasks));
}

template <detail::range_of_awaitables Range>
auto when_all_settled(Range&& range)
{
    auto&& tasks = detail::tasks_of(std::forward<Range>(range));
    return detail::joined<detail::settled_range<std::remove_cvref_t<decltype(tasks)>>>(std::move(tasks));
}

} // namespace tandem
