#pragma once

#include <tandem/task/awaitable.hpp>
#include <tandem/task/task.hpp>

#include <utility>

namespace tandem {

namespace detail {

/// The context inside `sync_wait`: a queue that the waiting thread drains.
class run_loop final : public context {
public:
    run_loop();
    ~run_loop();
    void post(job& j) noexcept override;
    bool start_timer(timer& t) noexcept override;
    bool stop_timer(timer& t) noexcept override;
    [[nodiscard]] bool would_deadlock_here() const noexcept override; // on the thread inside run()
    void run() noexcept;                                              // executes jobs until finish() was called
    void finish() noexcept; // from any thread; run() returns, and nothing of the loop is touched after

private:
    struct impl;
    impl* impl_;
};

} // namespace detail

/// Runs `a` on the calling thread, and returns its value or rethrows what it threw. The blocking facade for coroutines.
///
/// The thread executes the task's steps itself and sleeps while the task waits for something elsewhere. `stop` is the token the
/// task inherits. On a pool's worker another thread takes the worker's place meanwhile, so this cannot deadlock the pool.
template <awaitable A>
auto sync_wait(A a, stop_token stop = {}) -> await_result_t<A>
{
    struct root final : completion {
        explicit root(detail::run_loop& l) noexcept : completion(&done), loop(&l) {}
        static std::coroutine_handle<> done(completion* c, const std::exception_ptr&) noexcept
        {
            static_cast<root*>(c)->loop->finish();
            return std::noop_coroutine();
        }
        detail::run_loop* loop;
    };

    auto t = as_task(std::move(a));
    detail::run_loop loop;
    environment env{loop, stop};
    root r{loop};
    resume(detail::task_access::prepare(t, env, r));
    loop.run();
    return detail::task_access::take(t);
}

} // namespace tandem
