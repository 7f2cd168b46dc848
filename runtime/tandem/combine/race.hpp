#pragma once

#include <tandem/base/errc.hpp>
#include <tandem/combine/detail/children.hpp>
#include <tandem/combine/detail/join_awaiter.hpp>
#include <tandem/trace/observer.hpp>

#include <cstddef>
#include <exception>
#include <functional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace tandem {

namespace detail {

template <join_policy Policy, class... Tasks>
class first_of_pack;
template <join_policy Policy, class Task>
class first_of_range;

} // namespace detail

/// Who won among a range of awaitables, and with what.
template <class T>
struct winner {
    std::size_t index; ///< in the range
    T value;
};
template <>
struct winner<void> {
    std::size_t index;
};

/// Runs the given awaitables concurrently, and when the first of them has ended, with a value or an error, asks the others to stop and
/// waits until they have. Gives a std::variant with the winner's value at the winner's place (std::monostate for void, and for a reference
/// a std::reference_wrapper), or rethrows what the winner threw.
///
/// What a loser throws is counted and shown to the observer; one that has not begun does not begin. Cancellation: a stop request of
/// the awaiting task reaches every child. Cost and lifetime: as `when_all`.
///
///     const auto r = co_await tandem::race(read_line(), tandem::sleep_for(10s));
///     if (r.index() == 1) …
template <awaitable... A>
    requires(sizeof...(A) > 0)
[[nodiscard("co_await it, or co_spawn it")]] auto race(A... a)
{
    return detail::joined<detail::first_of_pack<detail::join_policy::first_end, task_for<A>...>>(as_task(std::move(a))...);
}
/// The same of a range of awaitables of one type: gives a `winner`. Throws std::invalid_argument when the range is empty.
template <detail::range_of_awaitables Range>
[[nodiscard("co_await it, or co_spawn it")]] auto race(Range&& range);

/// As `race`, but the first that ends without an error wins. When all fail, what the first of them threw is rethrown; operation_cancelled
/// when the awaiting task was asked to stop.
template <awaitable... A>
    requires(sizeof...(A) > 0)
[[nodiscard("co_await it, or co_spawn it")]] auto when_any(A... a)
{
    return detail::joined<detail::first_of_pack<detail::join_policy::first_success, task_for<A>...>>(as_task(std::move(a))...);
}
template <detail::range_of_awaitables Range>
[[nodiscard("co_await it, or co_spawn it")]] auto when_any(Range&& range);

// -----------------------------------------------------------------------------------------------

namespace detail {

/// Throws when no child decided the join, which is when all of them failed and one would have had to succeed.
template <join_policy Policy>
void require_winner(const join& j)
{
    if constexpr (Policy == join_policy::first_success) {
        const std::exception_ptr* const error = j.error<Policy>();
        if (j.decider() != nullptr) {
            if (error != nullptr)
                report_superseded(*error); // of a child that failed before another succeeded
            return;
        }
        if (j.env.stop.stop_requested()) {
            report_superseded(*error); // of one that failed by itself
            throw operation_cancelled("when_any: the task was asked to stop before one of the operations succeeded");
        }
        std::rethrow_exception(*error);
    }
}

template <join_policy Policy, class... Tasks>
class first_of_pack : public pack_children<Tasks...> {
public:
    static constexpr join_policy policy = Policy;
    using pack_children<Tasks...>::pack_children;

    auto result(const join& j)
    {
        require_winner<Policy>(j);
        return take<0>(j.decider()->index());
    }

private:
    template <class T>
    using alternative = std::conditional_t<std::is_reference_v<T>, std::reference_wrapper<std::remove_reference_t<T>>, nonvoid<T>>;
    using value = std::variant<alternative<typename Tasks::value_type>...>;

    template <std::size_t I>
    value take(std::size_t index)
    {
        if constexpr (I + 1 < sizeof...(Tasks))
            if (index != I)
                return take<I + 1>(index);
        return value(std::in_place_index<I>, take_value(std::get<I>(this->tasks_)));
    }
};

template <join_policy Policy, class Tasks>
class first_of_range : public range_children<Tasks> {
public:
    static constexpr join_policy policy = Policy;
    using range_children<Tasks>::range_children;

    auto result(const join& j)
    {
        require_winner<Policy>(j);
        using T = typename Tasks::value_type::value_type;
        const std::size_t index = j.decider()->index();
        if constexpr (std::is_void_v<T>) {
            task_access::take(this->tasks_[index]);
            return winner<void>{index};
        }
        else
            return winner<T>{index, task_access::take(this->tasks_[index])};
    }
};

template <join_policy Policy, class Range>
auto first_of(const char* name, Range&& range)
{
    auto&& tasks = tasks_of(std::forward<Range>(range));
    if (tasks.empty())
        throw std::invalid_argument(std::string(name) + ": the range is empty, so nobody can win");
    return joined<first_of_range<Policy, std::remove_cvref_t<decltype(tasks)>>>(std::move(tasks));
}

} // namespace detail

template <detail::range_of_awaitables Range>
auto race(Range&& range)
{
    return detail::first_of<detail::join_policy::first_end>("race", std::forward<Range>(range));
}

template <detail::range_of_awaitables Range>
auto when_any(Range&& range)
{
    return detail::first_of<detail::join_policy::first_success>("when_any", std::forward<Range>(range));
}

} // namespace tandem
