#pragma once

#include <tandem/pool/thread_pool.hpp>

#include <type_traits>
#include <utility>

namespace tandem {

namespace detail {

template <class X>
concept spawnable_function =
    !awaitable<std::decay_t<X>> && std::invocable<std::decay_t<X>> && awaitable<std::invoke_result_t<std::decay_t<X>>>;
/// What co_spawn takes: something to await, or a function that gives it.
template <class X>
concept spawnable = awaitable<std::decay_t<X>> || spawnable_function<X>;

template <spawnable X>
auto bind_spawned(X&& x)
{
    if constexpr (awaitable<std::decay_t<X>>) {
        auto t = as_task(std::decay_t<X>(std::forward<X>(x)));
        return bound_task<typename decltype(t)::value_type>{std::move(t)};
    }
    else
        // The function is kept beside its coroutine until that has ended: a lambda coroutine may use its captures.
        return bound_call<std::decay_t<X>, std::tuple<>>{std::forward<X>(x), {}};
}

} // namespace detail

/// Starts a task on the pool: `x` is a task (or another awaitable), or a function that returns one. The handle gives its value.
/// Errors: pool_closed as for `apply_async`. Dropping the handle detaches; then an exception goes to the pool's `unhandled` hook.
template <detail::spawnable X>
auto co_spawn(thread_pool& pool, X&& x)
{
    return pool.launch("co_spawn", detail::bind_spawned(std::forward<X>(x)), detail::no_sequel{});
}

/// The same, completing any Asio completion token of signature void(std::exception_ptr, T), or void(std::exception_ptr) for void.
/// Needs <tandem/io/completion_token.hpp>.
template <detail::spawnable X, class Token>
auto co_spawn(thread_pool& pool, X&& x, Token&& token)
{
    return detail::launch_with_token(detail::pool_launcher<thread_pool>{&pool}, "co_spawn",
        detail::bind_spawned(std::forward<X>(x)), std::forward<Token>(token));
}

/// Runs `x` on the pool and blocks for its value: the blocking facade. May be called on a worker of the pool.
template <detail::spawnable X>
decltype(auto) sync_wait(thread_pool& pool, X&& x)
{
    return pool.launch("sync_wait", detail::bind_spawned(std::forward<X>(x)), detail::no_sequel{}).get();
}

struct run_options {
    std::size_t threads = default_thread_count(); ///< of the pool
};

/// Makes a pool, runs the main task on it, and returns its value (or throws what it threw) when everything on the pool has ended. `x` is
/// a task, a function that returns one, or a function that takes the pool and returns one.
///
///     int main() { return tandem::run([](tandem::thread_pool& pool) -> tandem::task<int> { … }); }
template <class X>
decltype(auto) run(X&& x, run_options options = {})
{
    thread_pool pool(options.threads);
    if constexpr (std::invocable<std::decay_t<X>&, thread_pool&>)
        return sync_wait(pool, [&] { return x(pool); });
    else
        return sync_wait(pool, std::forward<X>(x));
}

} // namespace tandem
