#include <tandem/pool/detail/result_state.hpp>
#include <tandem/sched/scheduler.hpp>

#include <string>

namespace tandem::detail {

// The sink of the context, which the handle may outlive, is kept where the queues had their link, which no queue needs any more.
void result_state_base::keep_sink() noexcept
{
    error_sink& sink = env.ctx->unhandled();
    sink.add_reference();
    next_ = reinterpret_cast<job*>(&sink);
}

bool result_state_base::run_here_if_next() noexcept
{
    // The call that is next in this very worker's queue: waiting for it is the same as calling it. (Any other queued work is left to
    // the thread that takes our place: run here, it might itself wait for what lies below it on this stack.)
    worker* const w = this_worker();
    if (!w || env.ctx != &w->owner() || !w->spawns.take_if(this))
        return false;
    execute();
    return true;
}

void result_state_base::refuse_deadlock(const char* verb) const
{
    if (!on_scheduler_ && env.ctx->would_deadlock_here())
        throw would_deadlock(
            std::string(verb) + ": the result is made by an executor that this thread is running; co_await it instead");
}

void result_state_base::wait()
{
    if (ready.is_set())
        return;
    refuse_deadlock("wait");
    run_here_if_next();
    ready.wait();
}

bool result_state_base::wait_until(std::int64_t steady_ns)
{
    if (ready.is_set())
        return true;
    refuse_deadlock("wait_for");
    return ready.wait_until(steady_ns);
}

void result_state_base::report_if_unseen(const std::exception_ptr& error) noexcept
{
    auto& sink = *reinterpret_cast<error_sink*>(next_);
    if (!seen_) {
        try {
            std::rethrow_exception(error);
        }
        catch (const operation_cancelled&) {
            // asked for, so no news
        }
        catch (...) {
            sink.report(error);
        }
    }
    sink.release();
}

} // namespace tandem::detail
