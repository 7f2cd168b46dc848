#pragma once

#include <tandem/base/inplace_vector.hpp>
#include <tandem/combine/detail/join.hpp>
#include <tandem/task/awaitable.hpp>

#include <array>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
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

/// What the combinators take as a range, by whatever reference: not what is an awaitable itself.
template <class Range>
concept range_of_awaitables = awaitable_range<std::remove_cvref_t<Range>> && !awaitable<std::remove_cvref_t<Range>>;

template <class T>
using nonvoid = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

/// What an ended task gave; of one that failed, what it threw.
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

/// The same of one that is known not to have failed.
template <class T>
TANDEM_ALWAYS_INLINE nonvoid<T> take_unchecked(task<T>& t)
{
    if constexpr (std::is_void_v<T>)
        return {};
    else
        return task_access::take_unchecked(t);
}

// A child's node and its promise are written apart: of stores one after another to words of one cache line, some processors write two at once.
template <join_policy Policy, bool Ranges>
TANDEM_ALWAYS_INLINE void make_node(join_child* first, std::size_t index, std::size_t n, std::coroutine_handle<> h) noexcept
{
    const std::uint32_t place = join_child::place(index, n, last_needs_no_report(Policy));
    if (index == 0)
        std::construct_at(first, &join_child::ended<Policy, Ranges>, place);
    else
        std::construct_at(first + index, h, place);
}
TANDEM_ALWAYS_INLINE void prepare_child(
    join& j, join_child* first, std::size_t index, std::coroutine_handle<> h, std::coroutine_handle<> parent) noexcept
{
    promise_base& child = task_access::prepare(h, j.env);
    if (index == 0)
        child.notify(*first);
    else
        child.continue_with(parent);
}

template <class... Tasks>
class pack_children {
public:
    using room = join_room<sizeof...(Tasks)>;
    static constexpr bool in_ranges = false;
    static constexpr bool is_pack = sizeof...(Tasks) > 0;

    explicit pack_children(Tasks&&... t) noexcept : tasks_(std::move(t)...) {}

    static constexpr std::size_t size() noexcept { return sizeof...(Tasks); }
    [[nodiscard]] bool first_is_awaited() const noexcept { return task_access::is_awaited(std::get<0>(tasks_)); }
    [[nodiscard]] std::coroutine_handle<> first_handle() const noexcept
    {
        if constexpr (is_pack)
            return task_access::handle(std::get<0>(tasks_));
        else
            return nullptr; // not started
    }
    [[nodiscard]] std::coroutine_handle<> last_handle() const noexcept
    {
        if constexpr (is_pack)
            return task_access::handle(last());
        else
            return nullptr;
    }
    [[nodiscard]] const auto& last() const noexcept
        requires(is_pack)
    {
        return std::get<sizeof...(Tasks) - 1>(tasks_);
    }

    template <join_policy Policy>
    TANDEM_ALWAYS_INLINE void prepare(join& j, join_child* first, std::coroutine_handle<> parent,
        std::coroutine_handle<> first_handle, std::coroutine_handle<> last_handle) noexcept
    {
        [&]<std::size_t... I>(std::index_sequence<I...>) {
            constexpr std::size_t n = sizeof...(I);
            [[maybe_unused]] const auto handle = [&](std::size_t i, const auto& t) { // of nothing it is not called
                if (i == 0)
                    return first_handle;
                return i == n - 1 ? last_handle : task_access::handle(t);
            };
            (make_node<Policy, in_ranges>(first, I, n, handle(I, std::get<I>(tasks_))), ...);
            (prepare_child(j, first, I, handle(I, std::get<I>(tasks_)), parent), ...);
        }(std::index_sequence_for<Tasks...>{});
    }

    /// Before that none is empty, after it all are.
    TANDEM_ALWAYS_INLINE void destroy() noexcept
    {
        std::apply([](Tasks&... t) { task_access::destroy(t...); }, tasks_);
    }

protected:
    /// What `take` makes of each task. Then the tasks are destroyed, here and not at the end of the expression: so the compiler sees that the
    /// destructors have nothing to do.
    template <class Take>
    TANDEM_ALWAYS_INLINE auto take_all(Take take)
    {
        struct destroyer {
            pack_children& children;
            ~destroyer() { children.destroy(); }
        };
        const destroyer at_exit{*this};
        return std::apply([&](Tasks&... t) { return std::tuple<decltype(take(t))...>(take(t)...); }, tasks_);
    }

    std::tuple<Tasks...> tasks_;
};

template <class Tasks>
struct room_for {
    using type = join_block;
};
template <class Task, std::size_t N>
struct room_for<std::array<Task, N>> {
    using type = join_room<N>;
};
template <class Task, std::size_t N>
struct room_for<inplace_vector<Task, N>> {
    using type = join_room<N>;
};
template <class Task, std::size_t N>
    requires(N != std::dynamic_extent)
struct room_for<std::span<Task, N>> {
    using type = join_room<N>;
};

/// `Tasks` is a std::vector, a std::array or an inplace_vector of tasks, or a std::span of somebody else's.
template <class Tasks>
class range_children {
public:
    using room = typename room_for<Tasks>::type;
    using task_type = typename Tasks::value_type;
    static constexpr bool in_ranges = std::is_same_v<room, join_block>;
    static constexpr bool is_pack = false;

    explicit range_children(Tasks&& t) noexcept : tasks_(std::move(t)) {}

    [[nodiscard]] std::size_t size() const noexcept { return tasks_.size(); }
    [[nodiscard]] std::coroutine_handle<> first_handle() const noexcept { return task_access::handle(tasks_[0]); }
    [[nodiscard]] static std::coroutine_handle<> last_handle() noexcept { return nullptr; } // found when it is prepared
    [[nodiscard]] const task_type& last() const noexcept { return tasks_[tasks_.size() - 1]; }

    template <join_policy Policy>
    void prepare(join& j, join_child* first, std::coroutine_handle<> parent, std::coroutine_handle<> first_handle,
        std::coroutine_handle<>) noexcept
    {
        const std::size_t n = tasks_.size();
        make_node<Policy, in_ranges>(first, 0, n, first_handle);
        prepare_child(j, first, 0, first_handle, parent);
        for (std::size_t i = 1; i < n; ++i) {
            const std::coroutine_handle<> h = task_access::handle(tasks_[i]);
            make_node<Policy, in_ranges>(first, i, n, h);
            prepare_child(j, first, i, h, parent);
        }
    }

    void destroy() noexcept
    {
        for (task_type& t : tasks_)
            t = task_type();
    }

protected:
    Tasks tasks_;
};

/// What is taken as it is when it is of tasks.
template <class Range>
inline constexpr bool is_task_storage = false;
template <class T>
inline constexpr bool is_task_storage<std::vector<T>> = is_task<T>;
template <class T, std::size_t N>
inline constexpr bool is_task_storage<std::array<T, N>> = is_task<T>;
template <class T, std::size_t N>
inline constexpr bool is_task_storage<inplace_vector<T, N>> = is_task<T>;
template <class T, std::size_t N>
inline constexpr bool is_task_storage<std::span<T, N>> = is_task<T>;

/// The range itself where it can be taken; else a vector. What is given as an lvalue is copied, and so refused if it holds tasks.
template <class Range>
decltype(auto) tasks_of(Range&& range)
{
    using R = std::remove_cvref_t<Range>;
    if constexpr (std::is_lvalue_reference_v<Range>) {
        using tasks = std::remove_cvref_t<decltype(tasks_of(R(range)))>; // no reference to the copy
        return tasks(tasks_of(R(range)));
    }
    else if constexpr (is_task_storage<R>)
        return static_cast<R&&>(range);
    else {
        using A = std::remove_cvref_t<decltype(*range.begin())>;
        std::vector<task_for<A>> tasks;
        for (auto&& a : range)
            tasks.push_back(as_task(std::move(a)));
        return std::vector<task_for<A>>(std::move(tasks));
    }
}

} // namespace tandem::detail
