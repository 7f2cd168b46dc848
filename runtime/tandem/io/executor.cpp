#include <tandem/io/executor.hpp>
#include <tandem/sched/detail/timer_service.hpp>

#include <asio/dispatch.hpp>
#include <asio/execution/occupancy.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/prefer.hpp>
#include <asio/strand.hpp>
#include <asio/system_executor.hpp>

#include <utility>

namespace tandem {

namespace {

/// Runs a job once: when Asio calls it, or when Asio destroys it uncalled because the context goes. In the latter case the task finds
/// its operations cancelled and ends; without that its handle would never become ready.
class run_job {
public:
    explicit run_job(job& j) noexcept : job_(&j) {}
    run_job(run_job&& other) noexcept : job_(std::exchange(other.job_, nullptr)) {}
    run_job& operator=(run_job&&) = delete;
    ~run_job()
    {
        if (job_)
            job_->execute();
    }
    void operator()() noexcept { std::exchange(job_, nullptr)->execute(); }

private:
    job* job_;
};

detail::timer_service& timers_of(const asio::any_io_executor& ex)
{
    return asio::use_service<detail::timer_service>(asio::query(ex, asio::execution::context));
}

template <class Executor>
bool runs_here(const asio::any_io_executor& ex) noexcept
{
    const Executor* const e = target_of<Executor>(ex);
    return e && e->running_in_this_thread();
}

} // namespace

executor_context::executor_context(const asio::any_io_executor& ex)
    : executor_(ex), work_(asio::prefer(ex, asio::execution::outstanding_work.tracked))
{
    // Now, and not by the first sleep: a task that has not begun when its context goes begins, and ends, while the services are shut down,
    // and one that was made then would be shut down no more.
    timers_of(ex);
}

void executor_context::post(job& j) noexcept { asio::post(executor_, run_job(j)); }
void executor_context::resume_from_handler(job& j) noexcept { asio::dispatch(executor_, run_job(j)); }

bool executor_context::start_timer(timer& t) noexcept { return timers_of(executor_).start(t, executor_); }
bool executor_context::stop_timer(timer& t) noexcept { return timers_of(executor_).stop(t); }

void executor_context::end() noexcept
{
    asio::any_io_executor executor;
    asio::any_io_executor work;
    const detail::spin_guard lock(lock_); // given back before they are destroyed
    executor_.swap(executor);
    work_.swap(work);
}

bool executor_context::would_deadlock_here() const noexcept
{
    const detail::spin_guard lock(lock_);
    // An io_context may be run by several threads, which cannot be asked; to block one of them is wrong all the same.
    if (runs_here<asio::io_context::executor_type>(executor_) ||
        runs_here<asio::strand<asio::io_context::executor_type>>(executor_) ||
        runs_here<asio::strand<asio::thread_pool::executor_type>>(executor_) ||
        runs_here<asio::strand<asio::any_io_executor>>(executor_))
        return true;
    const auto* const pool = target_of<asio::thread_pool::executor_type>(executor_);
    return pool && asio::query(*pool, asio::execution::occupancy) == 1 && pool->running_in_this_thread();
}

asio::any_io_executor executor_of(const context& ctx)
{
    if (const asio::any_io_executor* const e = ctx.executor())
        return *e;
    return asio::system_executor();
}

} // namespace tandem
