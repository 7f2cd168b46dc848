#pragma once

#include <tandem/base/outcome.hpp>
#include <tandem/combine/detail/join.hpp>
#include <tandem/combine/result_buffer.hpp>
#include <tandem/task/awaitable.hpp>

#include <array>
#include <cstddef>
#include <iterator>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace tandem {

namespace detail {

template <class... Tasks>
class when_all_pack;
template <class Task>
class when_all_range;
template <class... Tasks>
class settled_pack;
template <class Task>
class settled_range;

template <class R>
concept awaitable_range = requires(R& r) {
    r.begin();
    r.end();
    requires awaitable<std::remove_cvref_t<decltype(*r.begin())>>;
};

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
    return detail::when_all_pack<task_for<A>...>(as_task(std::move(a))...);
}

/// The same of a range of awaitables of one type, taken by value: a std::vector of the values in the range's order; void when the
/// awaitables give void.
template <detail::awaitable_range Range>
    requires(!awaitable<Range>)
[[nodiscard("co_await it, or co_spawn it")]] auto when_all(Range range);

/// As `when_all`, but every child runs to its end whatever the others do, and the result holds an `outcome` for each: its value or
/// what it threw. Throws nothing itself.
template <awaitable... A>
[[nodiscard("co_await it, or co_spawn it")]] auto when_all_settled(A... a)
{
    return detail::settled_pack<task_for<A>...>(as_task(std::move(a))...);
}
template <detail::awaitable_range Range>
    requires(!awaitable<Range>)
[[nodiscard("co_await it, or co_spawn it")]] auto when_all_settled(Range range);

// -----------------------------------------------------------------------------------------------

namespace detail {

template <class T>
using nonvoid = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

template <class T>
nonvoid<T> take_value(task<T>& t)
{
    if constexpr (std::is_void_v<T>) {
        task_access::take(t);
        return {};
    }
    else
        return task_access::take(t);
}

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

template <class T>
void prepare_child(join& j, join_child& c, task<T>& t) noexcept
{
    c.owner = &j;
    c.handle = task_access::prepare(t, j.env, c);
    c.credit = 0;
}

/// The awaiter of all four: `Children` holds the tasks, says how many, prepares them, and makes the result.
template <class Children>
class join_awaiter {
public:
    explicit join_awaiter(Children& c) noexcept : children_(c) {}

    [[nodiscard]] bool await_ready() const noexcept { return children_.size() == 0; }

    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> parent)
    {
        join& j = join_.emplace(environment_of(parent), Children::first_error_cancels);
        return j.start(children_.prepare(j, nodes_), children_.size(), parent);
    }

    decltype(auto) await_resume()
    {
        if (Children::first_error_cancels && join_)
            if (const std::exception_ptr* const error = join_->error())
                std::rethrow_exception(*error);
        return children_.result();
    }

private:
    Children& children_;
    std::optional<join> join_;
    typename Children::nodes nodes_;
};

template <class... Tasks>
class pack_children {
public:
    using nodes = std::array<join_child, sizeof...(Tasks)>;

    explicit pack_children(Tasks&&... t) noexcept : tasks_(std::move(t)...) {}

    static constexpr std::size_t size() noexcept { return sizeof...(Tasks); }

    join_child* prepare(join& j, nodes& n) noexcept
    {
        [&]<std::size_t... I>(std::index_sequence<I...>) { (prepare_child(j, n[I], std::get<I>(tasks_)), ...); }(
            std::index_sequence_for<Tasks...>{});
        return n.data();
    }

protected:
    std::tuple<Tasks...> tasks_;
};

template <class Task>
class range_children {
public:
    using nodes = std::vector<join_child>;

    explicit range_children(std::vector<Task>&& t) noexcept : tasks_(std::move(t)) {}

    [[nodiscard]] std::size_t size() const noexcept { return tasks_.size(); }

    join_child* prepare(join& j, nodes& n)
    {
        n = nodes(tasks_.size());
        for (std::size_t i = 0; i < tasks_.size(); ++i)
            prepare_child(j, n[i], tasks_[i]);
        return n.data();
    }

protected:
    std::vector<Task> tasks_;
};

template <class... Tasks>
class [[nodiscard("co_await it, or co_spawn it")]] when_all_pack : public pack_children<Tasks...> {
public:
    static constexpr bool first_error_cancels = true;
    using pack_children<Tasks...>::pack_children;
    auto operator co_await() && noexcept { return join_awaiter<when_all_pack>(*this); }

    auto result()
    {
        return std::apply(
            [](auto&... t) { return std::tuple<nonvoid<typename Tasks::value_type>...>(take_value(t)...); }, this->tasks_);
    }
};

template <class... Tasks>
class [[nodiscard("co_await it, or co_spawn it")]] settled_pack : public pack_children<Tasks...> {
public:
    static constexpr bool first_error_cancels = false;
    using pack_children<Tasks...>::pack_children;
    auto operator co_await() && noexcept { return join_awaiter<settled_pack>(*this); }

    auto result()
    {
        return std::apply(
            [](auto&... t) { return std::tuple<outcome<typename Tasks::value_type>...>(take_outcome(t)...); }, this->tasks_);
    }
};

template <class Task>
class [[nodiscard("co_await it, or co_spawn it")]] when_all_range : public range_children<Task> {
public:
    static constexpr bool first_error_cancels = true;
    using range_children<Task>::range_children;
    auto operator co_await() && noexcept { return join_awaiter<when_all_range>(*this); }

    auto result()
    {
        using T = typename Task::value_type;
        if constexpr (!std::is_void_v<T>) {
            std::vector<stored_result<T>> values;
            values.reserve(this->tasks_.size());
            for (Task& t : this->tasks_)
                values.emplace_back(task_access::take(t));
            return values;
        }
    }
};

template <class Task>
class [[nodiscard("co_await it, or co_spawn it")]] settled_range : public range_children<Task> {
public:
    static constexpr bool first_error_cancels = false;
    using range_children<Task>::range_children;
    auto operator co_await() && noexcept { return join_awaiter<settled_range>(*this); }

    auto result()
    {
        std::vector<outcome<typename Task::value_type>> outcomes;
        outcomes.reserve(this->tasks_.size());
        for (Task& t : this->tasks_)
            outcomes.push_back(take_outcome(t));
        return outcomes;
    }
};

template <class Range>
auto tasks_of(Range& range)
{
    using A = std::remove_cvref_t<decltype(*range.begin())>;
    if constexpr (std::is_same_v<Range, std::vector<A>> && is_task<A>)
        return std::move(range);
    else {
        std::vector<task_for<A>> tasks;
        for (auto&& a : range)
            tasks.push_back(as_task(std::move(a)));
        return tasks;
    }
}

} // namespace detail

template <detail::awaitable_range Range>
    requires(!awaitable<Range>)
auto when_all(Range range)
{
    auto tasks = detail::tasks_of(range);
    return detail::when_all_range<typename decltype(tasks)::value_type>(std::move(tasks));
}

template <detail::awaitable_range Range>
    requires(!awaitable<Range>)
auto when_all_settled(Range range)
{
    auto tasks = detail::tasks_of(range);
    return detail::settled_range<typename decltype(tasks)::value_type>(std::move(tasks));
}

} // namespace tandem
