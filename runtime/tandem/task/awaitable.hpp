#pragma once

#include <tandem/task/task.hpp>

#include <type_traits>
#include <utility>

namespace tandem {

namespace detail {

template <class A>
decltype(auto) get_awaiter(A&& a)
{
    if constexpr (adapted_awaitable<A>)
        return get_awaiter(awaitable_adaptor<std::remove_cvref_t<A>>::transform(static_cast<A&&>(a)));
    else if constexpr (requires { static_cast<A&&>(a).operator co_await(); })
        return static_cast<A&&>(a).operator co_await();
    else if constexpr (requires { operator co_await(static_cast<A&&>(a)); })
        return operator co_await(static_cast<A&&>(a));
    else
        return static_cast<A&&>(a);
}

template <class A>
concept awaiter_like = requires(A& a) {
    a.await_ready();
    a.await_resume();
};

} // namespace detail

/// Something that a `task` can `co_await` as an rvalue: a task, what a combinator returns, an `async_result`, …
template <class A>
concept awaitable = requires(A&& a) {
    { detail::get_awaiter(static_cast<A&&>(a)) } -> detail::awaiter_like;
};

/// The type of `co_await std::forward<A>(a)` inside a task.
template <awaitable A>
using await_result_t = decltype(std::declval<decltype(detail::get_awaiter(std::declval<A>()))&>().await_resume());

template <class T>
inline constexpr bool is_task = false;
template <class T>
inline constexpr bool is_task<task<T>> = true;

namespace detail {

template <class T, class A>
task<T> awaiting_task(A a)
{
    co_return co_await std::move(a);
}

} // namespace detail

/// Any awaitable as a task; a task stays what it is (no second frame).
template <awaitable A>
auto as_task(A a)
{
    if constexpr (is_task<A>)
        return a;
    else {
        using R = await_result_t<A>;
        using T = std::conditional_t<std::is_rvalue_reference_v<R>, std::remove_cvref_t<R>, R>;
        return detail::awaiting_task<T>(std::move(a));
    }
}

template <awaitable A>
using task_for = decltype(as_task(std::declval<A>()));

namespace this_task {

namespace detail {

struct environment_awaiter {
    environment* env = nullptr;
    static constexpr bool await_ready() noexcept { return false; }
    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise> h) noexcept
    {
        env = &tandem::detail::environment_of(h);
        return false;
    }
};
struct stop_token_awaiter : environment_awaiter {
    [[nodiscard]] tandem::stop_token await_resume() const noexcept { return env->stop.get_token(); }
};
struct environment_reference_awaiter : environment_awaiter {
    [[nodiscard]] environment& await_resume() const noexcept { return *env; }
};

} // namespace detail

/// `co_await this_task::stop_token()`: the token that asks this task to stop. Never suspends.
[[nodiscard]] inline detail::stop_token_awaiter stop_token() noexcept { return {}; }

/// `co_await this_task::current_environment()`: what this task inherited; for implementers of combinators.
[[nodiscard]] inline detail::environment_reference_awaiter current_environment() noexcept { return {}; }

} // namespace this_task

} // namespace tandem
