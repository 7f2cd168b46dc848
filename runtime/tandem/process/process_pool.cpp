#include <tandem/process/process_pool.hpp>

#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>

namespace tandem {

namespace detail {

namespace {

// Callbacks and the decoding of large results take little of a machine whose work is done elsewhere; two, so that one that takes long
// does not hold up the rest.
constexpr std::size_t parent_threads = 2;

process_pool_options& checked(process_pool_options& o)
{
    if (o.processes == 0 || o.processes > 1024)
        throw std::invalid_argument(
            "process_pool: processes must be between 1 and 1024, not " + std::to_string(static_cast<std::ptrdiff_t>(o.processes)));
    if (o.task_timeout.count() < 0)
        throw std::invalid_argument(
            "process_pool: task_timeout must be at least 0, not " + std::to_string(o.task_timeout.count()) + " ns");
    if (o.name.empty())
        o.name = "pool";
    process_server::start(); // before there are threads
    return o;
}

} // namespace

process_pool_core::process_pool_core(process_pool_options o)
    : parent(
          {.threads = parent_threads, .name = checked(o).name, .queue_limit = o.queue_limit, .unhandled = std::move(o.unhandled)})
    , workers({.processes = o.processes,
          .name = o.name,
          .setup = o.initializer.header(),
          .setup_arguments = o.initializer.arguments(),
          .max_tasks = o.max_tasks_per_worker,
          .task_timeout = o.task_timeout})
{
}

process_pool_core::~process_pool_core() = default;

void process_pool_core::terminate() noexcept
{
    parent.terminate();
    workers.terminate();
}

void process_pool_core::join()
{
    parent.join(); // every call has ended
    const std::lock_guard lock(joining_);
    workers.stop();
}

} // namespace detail

process_pool::process_pool(process_pool_options options) : core_(std::make_unique<detail::process_pool_core>(std::move(options))) {}

process_pool::~process_pool()
{
    core_->parent.close();
    core_->join();
}

process_pool_stats process_pool::stats() const noexcept
{
    const scheduler::counts c = core_->parent.sched.count();
    return {.processes = size(),
        .started = core_->workers.started(),
        .submitted = c.submitted,
        .completed = c.finished,
        .pending = c.submitted - c.finished};
}

} // namespace tandem
