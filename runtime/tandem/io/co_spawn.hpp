#pragma once

#include <tandem/io/completion_token.hpp>
#include <tandem/pool/schedule_on.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/execution_context.hpp>
#include <asio/is_executor.hpp>

#include <concepts>
#include <memory>
#include <type_traits>
#include <utility>

namespace tandem {

namespace detail {

template <class E>
concept asio_executor =
    asio::execution::is_executor<std::remove_cvref_t<E>>::value || asio::is_executor<std::remove_cvref_t<E>>::value;
template <class C>
concept asio_context = std::derived_from<C, asio::execution_context> && requires(C& c) { c.get_executor(); };

/// The Tandem pool that `ex` is the executor of, or null. (A strand over a pool is something else, and stays it.)
[[nodiscard]] thread_pool* pool_of(const asio::any_io_executor& ex) noexcept;

struct executor_ticket {
    void begun() const noexcept {}
    void ended() const noexcept { ctx->end(); }
    std::shared_ptr<executor_context> ctx; // as long as the handle, which asks it
};

/// Launches on an Asio executor: on its Tandem pool if it is the executor of one, else on a context of its own.
class executor_launcher {
public:
    explicit executor_launcher(const asio::any_io_executor& ex)
        : pool_(pool_of(ex)), ctx_(pool_ ? nullptr : std::make_shared<executor_context>(ex))
    {
    }

    template <class Call, class Sequel>
    auto launch(const char* verb, Call&& c, Sequel&& s) const
    {
        using work = detail::work<std::decay_t<Call>, std::decay_t<Sequel>, executor_ticket>;
        if (pool_)
            return pool_->launch(verb, std::forward<Call>(c), std::forward<Sequel>(s));
        auto* const w = new work(std::forward<Call>(c), std::forward<Sequel>(s), executor_ticket{ctx_}, *ctx_, stop_token{});
        auto handle = make_async_result(static_cast<result_state<typename work::value_type>*>(w));
        w->attach();
        ctx_->post(*w);
        return handle;
    }
    [[nodiscard]] context& run_context() const noexcept { return pool_ ? pool_->run_context() : *ctx_; }

private:
    thread_pool* pool_;
    std::shared_ptr<executor_context> ctx_;
};

} // namespace detail

/// Starts a task on any Asio executor: an io_context's, a strand's, a socket's. `x` is a task (or another awaitable), or a function that
/// returns one. The handle gives its value; the task counts as work of the executor's context until it has ended.
///
/// On the executor of a Tandem pool (`pool.context().get_executor()`, or that of a socket on it) this is `co_spawn(pool, x)`.
/// When the context is destroyed with the task suspended in it, the task's operation ends with operation_cancelled, and so does, in
/// general, the task. Blocking on the handle in the context's own thread throws would_deadlock.
template <detail::asio_executor Executor, detail::spawnable X>
auto co_spawn(const Executor& ex, X&& x)
{
    return detail::executor_launcher(ex).launch("co_spawn", detail::bind_spawned(std::forward<X>(x)), detail::no_sequel{});
}
template <detail::asio_context Context, detail::spawnable X>
auto co_spawn(Context& ctx, X&& x)
{
    return co_spawn(ctx.get_executor(), std::forward<X>(x));
}

/// The same, completing any Asio completion token of signature void(std::exception_ptr, T), or void(std::exception_ptr) for void. The
/// handler runs on its associated executor, by default `ex`; its cancellation slot stops the task.
template <detail::asio_executor Executor, detail::spawnable X, class Token>
auto co_spawn(const Executor& ex, X&& x, Token&& token)
{
    return detail::launch_with_token(
        detail::executor_launcher(ex), "co_spawn", detail::bind_spawned(std::forward<X>(x)), std::forward<Token>(token));
}
template <detail::asio_context Context, detail::spawnable X, class Token>
auto co_spawn(Context& ctx, X&& x, Token&& token)
{
    return co_spawn(ctx.get_executor(), std::forward<X>(x), std::forward<Token>(token));
}

/// Runs `a` on an Asio executor or context, and goes on here with its value, or what it threw, when it has ended: see
/// `schedule_on(pool, a)`.
template <detail::asio_executor Executor, awaitable A>
[[nodiscard("co_await it, or co_spawn it")]] auto schedule_on(const Executor& ex, A a)
{
    using T = typename task_for<A>::value_type;
    auto start = [ex, t = as_task(std::move(a))]() mutable { return co_spawn(ex, std::move(t)); };
    return detail::start_and_join<T>(std::move(start));
}
template <detail::asio_context Context, awaitable A>
[[nodiscard("co_await it, or co_spawn it")]] auto schedule_on(Context& ctx, A a)
{
    return schedule_on(ctx.get_executor(), std::move(a));
}

} // namespace tandem
