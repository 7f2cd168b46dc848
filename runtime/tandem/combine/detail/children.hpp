#pragma once

#include <tandem/combine/detail/join.hpp>
#include <tandem/task/awaitable.hpp>

#include <array>
#include <cstddef>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace tandem::detail {

template <class R>
concept awaitable_range = requires(R& r) {
    r.begin();
    r.end();
    requires awaitable<std::remove_cvref_t<decltype(*r.begin())>>;
};

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
void prepare_child(join& j, join_child& c, task<T>& t) noexcept
{
    c.owner = &j;
    c.handle = task_access::prepare(t, j.env, c);
    c.credit = 0;
}

/// The awaiter of them all: `Children` holds the tasks, says how many, prepares them, and makes the result.
template <class Children>
class join_awaiter {
public:
    explicit join_awaiter(Children& c) noexcept : children_(c) {}
    ~join_awaiter()
    {
        if (waiting_)
            children_.destroy(); // the parent is destroyed in its wait; what they refer to goes after them
    }

    [[nodiscard]] bool await_ready() const noexcept { return children_.size() == 0; }

    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> parent)
    {
        join& j = join_.emplace(environment_of(parent), Children::policy);
        waiting_ = true; // before the start, which may be the last touch; after what can throw it would be too late
        return j.start(children_.prepare(j, nodes_), children_.size(), parent);
    }

    decltype(auto) await_resume()
    {
        waiting_ = false;
        if constexpr (requires { children_.result(*join_); })
            return children_.result(*join_);
        else {
            if (Children::policy == join_policy::first_error && join_)
                if (const std::exception_ptr* const error = join_->error())
                    std::rethrow_exception(*error);
            return children_.result();
        }
    }

private:
    Children& children_;
    std::optional<join> join_;
    typename Children::nodes nodes_;
    bool waiting_ = false;
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

    void destroy() noexcept { tasks_ = std::tuple<Tasks...>(); }

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

    void destroy() noexcept { tasks_.clear(); }

protected:
    std::vector<Task> tasks_;
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

} // namespace tandem::detail
