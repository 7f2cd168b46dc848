#pragma once

#include <tandem/base/inplace_vector.hpp>
#include <tandem/combine/detail/join.hpp>
#include <tandem/task/awaitable.hpp>
#include <tandem/task/frame_memory.hpp>

#include <array>
#include <concepts>
#include <cstddef>
#include <memory>
#include <optional>
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

/// The nodes of n children, not yet made.
template <std::size_t N>
struct node_array {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): each is made when the join starts
    node_array() noexcept {}
    join_child* allocate(std::size_t) noexcept { return nodes; }
    union {
        join_child nodes[N == 0 ? 1 : N];
    };
};

/// The same, of a number that is known only then, in the memory of frames.
class node_vector {
public:
    node_vector() noexcept = default;
    ~node_vector()
    {
        if (nodes_)
            frame_free(nodes_, size_ * sizeof(join_child));
    }
    node_vector(const node_vector&) = delete;
    node_vector& operator=(const node_vector&) = delete;

    join_child* allocate(std::size_t n)
    {
        nodes_ = static_cast<join_child*>(frame_allocate(n * sizeof(join_child)));
        size_ = n;
        return nodes_;
    }

private:
    join_child* nodes_ = nullptr;
    std::size_t size_ = 0;
};
static_assert(std::is_trivially_destructible_v<join_child>);

template <join_policy Policy, bool Ranges, class T>
TANDEM_ALWAYS_INLINE void prepare_child(
    join& j, join_child* first, std::size_t index, std::size_t n, task<T>& t, std::coroutine_handle<> parent) noexcept
{
    join_child* const at = first + index;
    const std::uint32_t place = join_child::place(index, n, last_needs_no_report(Policy));
    if (index == 0) {
        task_access::prepare(t, j.env, *at);
        std::construct_at(at, j, &join_child::ended<Policy, Ranges>, place);
    }
    else
        std::construct_at(at, j, task_access::prepare(t, j.env, parent), place);
}

/// `Children`, which holds the tasks, prepares them and makes the result, and room for their join: the awaiter of them all.
template <class Children>
class join_awaiter {
public:
    template <class... A>
        requires std::constructible_from<Children, A...>
    explicit join_awaiter(A&&... a) : children_(std::forward<A>(a)...)
    {
    }
    /// Of one that has not been awaited.
    join_awaiter(join_awaiter&& other) noexcept(std::is_nothrow_move_constructible_v<Children>)
        : children_(std::move(other.children_))
    {
    }
    join_awaiter& operator=(join_awaiter&&) = delete;
    TANDEM_ALWAYS_INLINE ~join_awaiter()
    {
        // A child that is destroyed in its wait looks for the join only if it may be told of a stop, and then the join is linked.
        if (TANDEM_LIKELY(started_.now(children_)) && TANDEM_UNLIKELY(join_.env.stop.is_linked()))
            computed_here(*this)->end();
    }

    [[nodiscard]] bool await_ready() const noexcept { return children_.size() == 0; }

    template <class Promise>
    TANDEM_ALWAYS_INLINE std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> parent) noexcept(!allocates)
    {
        // The first child's handle is in a register here; if it were read back there, each fork would wait for its store.
        return computed_here(*this)->fork(environment_of(parent), parent, children_.first_handle());
    }

    TANDEM_ALWAYS_INLINE decltype(auto) await_resume()
    {
        constexpr bool of_the_tasks = requires { children_.result(); }; // and not of how the join was decided
        if constexpr (of_the_tasks)
            if (children_.size() == 0)
                return children_.result();
        started_.clear();
        if (TANDEM_UNLIKELY(join_.decided_or_linked() || last_error() != nullptr))
            computed_here(*this)->settle();
        if constexpr (of_the_tasks)
            return children_.result();
        else
            return children_.result(join_);
    }

private:
    static constexpr bool allocates = Children::in_ranges;
    /// Whether the children were started, and the join has not ended. Nothing is between the construction of a pack's join and its start, so
    /// that the first can be told from the first child, two stores less for each fork; the second need not be: `end` may come twice.
    struct started_by_flag {
        [[nodiscard]] bool now(const Children&) const noexcept { return flag; }
        void set() noexcept { flag = true; }
        void clear() noexcept { flag = false; }
        bool flag = false;
    };
    struct started_by_first {
        [[nodiscard]] static bool now(const Children& c) noexcept { return c.first_is_awaited(); }
        static void set() noexcept {}
        static void clear() noexcept {}
    };
    using started = std::conditional_t<Children::is_pack, started_by_first, started_by_flag>;

    /// What the last child threw, or null; under first_error only. If it continued the parent, the join was not told.
    [[nodiscard]] const std::exception_ptr* last_error() const noexcept
    {
        if constexpr (Children::policy == join_policy::first_error && requires { children_.last(); })
            if (const std::exception_ptr& error = task_access::error(children_.last()))
                return &error;
        return nullptr;
    }

    // Out of the coroutine: compilers make better code of plain functions, and the coroutine saves fewer registers each time that it is
    // entered, be it to do something seldom.
    TANDEM_NOINLINE void settle()
    {
        join_.env.stop.leave_parent(); // now: what is awaited may outlive what it was awaited in, and so the source above
        if constexpr (Children::policy == join_policy::first_error) {
            const std::exception_ptr* const error = join_.template error<Children::policy>();
            if (const std::exception_ptr* const e = error ? error : last_error())
                std::rethrow_exception(*e);
        }
    }
    TANDEM_NOINLINE void end() noexcept
    {
        children_.destroy(); // before what they refer to
        join_.~join();
    }
    TANDEM_NOINLINE std::coroutine_handle<> fork(
        const environment& env, std::coroutine_handle<> parent, std::coroutine_handle<> h) noexcept(!allocates)
    {
        Children& children = children_;
        const context* const ctx = env.ctx;
        const std::size_t n = children.size();
        join_child* const first = nodes_.allocate(n);
        join& j = *std::construct_at(&join_, env, n, parent);
        if constexpr (Children::policy == join_policy::first_success)
            j.expects_failures();
        started_.set(); // before the start, which may be the last touch; after what can throw it would be too late
        children.template prepare<Children::policy>(j, first, parent);
        if constexpr (Children::in_ranges)
            return j.start_range(ctx, first, h, n);
        else
            return j.start(ctx, first, h, n);
    }

    union {
        join join_; // once started
    };
    typename Children::nodes nodes_;
    Children children_;
    [[no_unique_address]] started started_;
};

#if defined(__clang__)
template <class Awaiter>
using awaiter_in_place = Awaiter&;
#else
/// GCC 12 copies an awaiter that it gets by reference.
template <class Awaiter>
class awaiter_in_place {
public:
    awaiter_in_place(Awaiter& a) noexcept : awaiter_(a) {} // NOLINT: implicit, as it stands for a reference
    [[nodiscard]] bool await_ready() const noexcept { return awaiter_.await_ready(); }
    template <class Promise>
    TANDEM_ALWAYS_INLINE std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> h) const
        noexcept(noexcept(awaiter_.await_suspend(h)))
    {
        return awaiter_.await_suspend(h);
    }
    TANDEM_ALWAYS_INLINE decltype(auto) await_resume() const { return awaiter_.await_resume(); }

private:
    Awaiter& awaiter_;
};
#endif

/// What a combinator returns. Awaited once, as an rvalue; moved only before that.
template <class Children>
class [[nodiscard("co_await it, or co_spawn it")]] joined : join_awaiter<Children> {
    using awaiter = join_awaiter<Children>;

public:
    using awaiter::awaiter;
    awaiter_in_place<awaiter> operator co_await() && noexcept { return *this; }
};

template <class... Tasks>
class pack_children {
public:
    using nodes = node_array<sizeof...(Tasks)>;
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
    [[nodiscard]] const auto& last() const noexcept
        requires(is_pack)
    {
        return std::get<sizeof...(Tasks) - 1>(tasks_);
    }

    template <join_policy Policy>
    TANDEM_ALWAYS_INLINE void prepare(join& j, join_child* first, std::coroutine_handle<> parent) noexcept
    {
        [&]<std::size_t... I>(std::index_sequence<I...>) {
            (prepare_child<Policy, in_ranges>(j, first, I, sizeof...(I), std::get<I>(tasks_), parent), ...);
        }(std::index_sequence_for<Tasks...>{});
    }

    void destroy() noexcept { tasks_ = std::tuple<Tasks...>(); }

protected:
    std::tuple<Tasks...> tasks_;
};

template <class Tasks>
struct nodes_for {
    using type = node_vector;
};
template <class Task, std::size_t N>
struct nodes_for<std::array<Task, N>> {
    using type = node_array<N>;
};
template <class Task, std::size_t N>
struct nodes_for<inplace_vector<Task, N>> {
    using type = node_array<N>;
};
template <class Task, std::size_t N>
    requires(N != std::dynamic_extent)
struct nodes_for<std::span<Task, N>> {
    using type = node_array<N>;
};

/// `Tasks` is a std::vector, a std::array or an inplace_vector of tasks, or a std::span of somebody else's.
template <class Tasks>
class range_children {
public:
    using nodes = typename nodes_for<Tasks>::type;
    using task_type = typename Tasks::value_type;
    static constexpr bool in_ranges = std::is_same_v<nodes, node_vector>;
    static constexpr bool is_pack = false;

    explicit range_children(Tasks&& t) noexcept : tasks_(std::move(t)) {}

    [[nodiscard]] std::size_t size() const noexcept { return tasks_.size(); }
    [[nodiscard]] std::coroutine_handle<> first_handle() const noexcept { return task_access::handle(tasks_[0]); }
    [[nodiscard]] const task_type& last() const noexcept { return tasks_[tasks_.size() - 1]; }

    template <join_policy Policy>
    void prepare(join& j, join_child* first, std::coroutine_handle<> parent) noexcept
    {
        const std::size_t n = tasks_.size();
        prepare_child<Policy, in_ranges>(j, first, 0, n, tasks_[0], parent);
        for (std::size_t i = 1; i < n; ++i)
            prepare_child<Policy, in_ranges>(j, first, i, n, tasks_[i], parent);
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
