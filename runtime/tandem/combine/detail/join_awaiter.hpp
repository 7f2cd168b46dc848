#pragma once

#include <tandem/combine/detail/join.hpp>
#include <tandem/task/task.hpp>

#include <concepts>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <memory>
#include <type_traits>
#include <utility>

namespace tandem::detail {

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
        if (TANDEM_LIKELY(started_.now(children_)) && TANDEM_UNLIKELY(room_.get().env.stop.is_linked()))
            computed_here(*this)->end();
    }

    [[nodiscard]] bool await_ready() const noexcept { return children_.size() == 0; }

    template <class Promise>
    TANDEM_ALWAYS_INLINE std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> parent) noexcept(!allocates)
    {
        // The first child's handle and the last one's are in registers here; if they were read back there, each fork would wait for their
        // stores.
        return computed_here(*this)->fork(environment_of(parent), parent, children_.first_handle(), children_.last_handle());
    }

    TANDEM_ALWAYS_INLINE decltype(auto) await_resume()
    {
        constexpr bool of_the_tasks = requires { children_.result(); }; // and not of how the join was decided
        if constexpr (of_the_tasks)
            if (children_.size() == 0)
                return children_.result();
        started_.clear();
        if (TANDEM_UNLIKELY(room_.get().decided_or_linked() || last_error() != nullptr))
            computed_here(*this)->settle();
        if constexpr (of_the_tasks)
            return children_.result();
        else
            return children_.result(room_.get());
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
        room_.get().env.stop.leave_parent(); // now: what is awaited may outlive what it was awaited in, and so the source above
        if constexpr (Children::policy == join_policy::first_error) {
            const std::exception_ptr* const error = room_.get().template error<Children::policy>();
            if (const std::exception_ptr* const e = error ? error : last_error())
                std::rethrow_exception(*e);
        }
    }
    TANDEM_NOINLINE void end() noexcept
    {
        children_.destroy(); // before what they refer to
        std::destroy_at(&room_.get());
    }
    TANDEM_NOINLINE std::coroutine_handle<> fork(const environment& env, std::coroutine_handle<> parent, std::coroutine_handle<> h,
        std::coroutine_handle<> last) noexcept(!allocates)
    {
        Children& children = children_;
        const context* const ctx = env.ctx;
        const std::size_t n = children.size();
        join& j = *::new (room_.allocate(n)) join(env, n, parent);
        join_child* const first = j.children();
        started_.set(); // before the start, which may be the last touch; after what can throw it would be too late
        children.template prepare<Children::policy>(j, first, parent, h, last);
        if constexpr (Children::in_ranges)
            return j.start_range(ctx, first, h, n);
        else
            return j.start(ctx, first, h, n);
    }

    typename Children::room room_;
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

} // namespace tandem::detail
