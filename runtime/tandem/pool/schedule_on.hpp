#pragma once

#include <tandem/pool/co_spawn.hpp>

#include <type_traits>
#include <utility>

namespace tandem {

namespace detail {

/// Starts something, hands on a stop request to it, and waits until it has ended, whatever happens.
template <class T, class Start>
task<T> start_and_join(Start start)
{
    auto handle = std::move(start)();
    const auto cancel = [&handle]() noexcept { handle.cancel(); };
    const stop_callback on_stop(co_await this_task::stop_token(), cancel);
    auto end = handle.ended();
    co_await std::move(end);
    co_return handle.get();
}

} // namespace detail

/// Runs `a` on another pool, and goes on here with its value, or what it threw, when it has ended. A stop request of the awaiting task
/// reaches it. Errors: pool_closed as `co_spawn`. Cost: as `co_spawn`, and the way back.
///
///     const auto digest = co_await tandem::schedule_on(cpu_pool, hash(file));
template <awaitable A>
[[nodiscard("co_await it, or co_spawn it")]] auto schedule_on(thread_pool& pool, A a)
{
    using T = typename task_for<A>::value_type;
    auto start = [&pool, t = as_task(std::move(a))]() mutable { return co_spawn(pool, std::move(t)); };
    return detail::start_and_join<T>(std::move(start));
}

} // namespace tandem
