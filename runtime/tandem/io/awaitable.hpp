#pragma once

#include <tandem/io/executor.hpp>
#include <tandem/io/use_task.hpp>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/strand.hpp>

#include <utility>

namespace tandem {

namespace detail {

template <class T, class Executor>
task<T> await_asio(asio::awaitable<T, Executor> a)
{
    // A strand, because Asio's awaitable expects its steps, and their cancellation, one at a time, and a pool gives no such promise.
    const Executor strand = asio::make_strand(co_await this_task::executor());
    auto run = asio::co_spawn(strand, std::move(a), use_task);
    co_return co_await std::move(run);
}

} // namespace detail

/// Lets a task await an asio::awaitable: it runs on a strand over the task's executor, what it throws is rethrown, and a stop request
/// cancels it with Asio's terminal cancellation. The other way round, `co_spawn(pool, t, asio::use_awaitable)`.
template <class T, class Executor>
struct awaitable_adaptor<asio::awaitable<T, Executor>> {
    static task<T> transform(asio::awaitable<T, Executor> a) { return detail::await_asio(std::move(a)); }
};

} // namespace tandem
