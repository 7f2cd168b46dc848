#pragma once

#include <tandem/sync/detail/spin_lock.hpp>
#include <tandem/task/context.hpp>
#include <tandem/task/task.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/thread_pool.hpp> // so that pool.context() can be used

#include <coroutine>
#include <memory>
#include <typeinfo>

namespace tandem {

/// Tasks on any Asio executor: an io_context's, a strand's, another pool's. For implementers; users call co_spawn.
class executor_context final : public context, public std::enable_shared_from_this<executor_context> {
public:
    /// Counts as work of the executor's context until `end`.
    explicit executor_context(const asio::any_io_executor& ex);

    void post(job& j) noexcept override;
    bool start_timer(timer& t) noexcept override;
    bool stop_timer(timer& t) noexcept override;
    void resume_from_handler(job& j) noexcept override;
    [[nodiscard]] const asio::any_io_executor* executor() const noexcept override { return &executor_; }
    [[nodiscard]] bool would_deadlock_here() const noexcept override;

    /// The task has ended. What is left is for its handle, which may outlive the executor's context; a strand must not.
    void end() noexcept;

private:
    mutable detail::spin_lock lock_; // between the end and who is about to wait for it
    asio::any_io_executor executor_;
    asio::any_io_executor work_;
};

/// The executor of type `Executor` inside `ex`, or null when it is of another type. (Asio's own `target` does not look at the type.)
template <class Executor>
[[nodiscard]] const Executor* target_of(const asio::any_io_executor& ex) noexcept
{
    return ex && ex.target_type() == typeid(Executor) ? ex.target<Executor>() : nullptr;
}

/// The executor of `ctx`, or asio::system_executor for a context that has none (as inside plain `sync_wait`).
[[nodiscard]] asio::any_io_executor executor_of(const context& ctx);

namespace this_task {

namespace detail {

struct executor_awaiter {
    asio::any_io_executor executor;
    static constexpr bool await_ready() noexcept { return false; }
    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise> h)
    {
        executor = executor_of(*tandem::detail::environment_of(h).ctx);
        return false;
    }
    [[nodiscard]] asio::any_io_executor await_resume() noexcept { return std::move(executor); }
};

} // namespace detail

/// `co_await this_task::executor()`: the Asio executor that this task runs on, for sockets and timers. Never suspends.
[[nodiscard]] inline detail::executor_awaiter executor() noexcept { return {}; }

} // namespace this_task

} // namespace tandem
