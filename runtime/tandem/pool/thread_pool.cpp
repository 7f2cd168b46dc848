#include <tandem/base/errc.hpp>
#include <tandem/pool/thread_pool.hpp>

#include <asio/execution_context.hpp>
#include <asio/thread_pool.hpp>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>

namespace tandem {

namespace detail {

/// Bounds the calls from outside that have been let in but not begun.
struct thread_pool_core::gate {
    explicit gate(std::size_t n) noexcept : limit(n) {}

    const std::size_t limit;
    std::mutex m;
    std::condition_variable room;
    std::size_t queued = 0;
};

struct join_once {
    std::mutex m;
    bool done = false;
};

namespace {

constinit thread_local const helper_scope* this_thread_helps = nullptr;

thread_pool_options checked(thread_pool_options o)
{
    if (o.threads == 0 || o.threads > 1024)
        throw std::invalid_argument(
            "thread_pool: threads must be between 1 and 1024, not " + std::to_string(static_cast<std::ptrdiff_t>(o.threads)));
    if (o.report_blocked_after.count() < 0)
        throw std::invalid_argument(
            "thread_pool: report_blocked_after must be 0 or more, not " + std::to_string(o.report_blocked_after.count()) + " ns");
    if (o.name.empty())
        o.name = "pool";
    return o;
}

/// Leads from the Asio pool back to ours.
class pool_service final : public asio::execution_context::service {
public:
    static inline asio::execution_context::id id;
    explicit pool_service(asio::execution_context& c, thread_pool* p = nullptr) : service(c), pool(p) {}
    void shutdown() noexcept override {}

    thread_pool* const pool;
};

} // namespace

thread_pool_core::thread_pool_core(thread_pool_options o)
    : sched({.threads = o.threads,
          .name = o.name.c_str(),
          .initializer = std::move(o.initializer),
          .unhandled = std::move(o.unhandled),
          .report_blocked_after = o.report_blocked_after})
    , has_initializer(sched.has_initializer())
    , gate_(o.queue_limit ? std::make_unique<gate>(o.queue_limit) : nullptr)
    , join_(std::make_unique<join_once>())
{
    sched.set_terminate_token(stop.get_token());
}

thread_pool_core::~thread_pool_core() = default;

helper_scope::helper_scope(const thread_pool_core& c) noexcept : core_(&c), outer_(std::exchange(this_thread_helps, this)) {}
helper_scope::~helper_scope() { this_thread_helps = outer_; }

bool thread_pool_core::on_worker() const noexcept
{
    const worker* const w = this_worker();
    if (w && &w->owner() == &sched)
        return true;
    for (const helper_scope* h = this_thread_helps; h; h = h->outer_)
        if (h->core_ == this)
            return true;
    return false;
}

void thread_pool_core::check_open(const char* verb) const
{
    // seq_cst, here and in close(): see admit().
    if (terminated_.load(std::memory_order_seq_cst))
        throw pool_closed(std::string(verb) + ": the pool '" + sched.name() + "' was terminated");
    if (closed_.load(std::memory_order_seq_cst) && !on_worker())
        throw pool_closed(std::string(verb) + ": the pool '" + sched.name() + "' is closed");
}

bool thread_pool_core::admit(const char* verb, bool wait)
{
    const bool inside = on_worker();
    if (gate_ && (!inside || !wait)) {
        std::unique_lock lock(gate_->m);
        if (gate_->queued >= gate_->limit) {
            if (!wait) {
                check_open(verb);
                return false;
            }
            const blocking_section section;
            gate_->room.wait(lock, [&] { return gate_->queued < gate_->limit || closed_.load(std::memory_order_seq_cst); });
        }
        if (!inside)
            ++gate_->queued;
    }
    // Counted first, then looked at the door; join() shuts the door first, then looks at the count. In the single order of these four
    // (seq_cst) one of the two sees the other.
    sched.count_submitted();
    try {
        check_open(verb);
    }
    catch (...) {
        begun(!inside);
        ended();
        throw;
    }
    return true;
}

void thread_pool_core::admit(const char* verb) { static_cast<void>(admit(verb, true)); }
bool thread_pool_core::try_admit(const char* verb) { return admit(verb, false); }

void thread_pool_core::begun(bool queued_from_outside) noexcept
{
    if (!gate_ || !queued_from_outside)
        return;
    const std::lock_guard lock(gate_->m);
    --gate_->queued;
    gate_->room.notify_one();
}

void thread_pool_core::close() noexcept
{
    closed_.store(true, std::memory_order_seq_cst);
    if (gate_) {
        const std::lock_guard lock(gate_->m); // a waiter is either before its look at closed_ or already waiting
        gate_->room.notify_all();
    }
}

void thread_pool_core::terminate() noexcept
{
    terminated_.store(true, std::memory_order_seq_cst);
    close();
    stop.request_stop();
}

void thread_pool_core::join()
{
    if (!closed_.load(std::memory_order_seq_cst))
        throw std::logic_error(std::string("join: the pool '") + sched.name() + "' is still open; close() or terminate() it first");
    if (on_worker())
        throw would_deadlock(
            std::string("join: called on a thread of the pool '") + sched.name() + "', which would wait for itself");
    const blocking_section section; // the caller may be a worker of another pool
    const std::lock_guard lock(join_->m);
    if (std::exchange(join_->done, true))
        return;
    sched.wait_idle();
    sched.stop_threads(terminated_.load(std::memory_order_seq_cst));
}

} // namespace detail

std::size_t default_thread_count() noexcept { return std::max<std::size_t>(1, std::thread::hardware_concurrency()); }

thread_pool::thread_pool(thread_pool_options options)
    : core_(std::make_unique<detail::thread_pool_core>(detail::checked(std::move(options))))
{
    asio::make_service<detail::pool_service>(context(), this);
}

thread_pool* thread_pool::of(asio::thread_pool& context) noexcept
{
    return asio::has_service<detail::pool_service>(context) ? asio::use_service<detail::pool_service>(context).pool : nullptr;
}

thread_pool::~thread_pool()
{
    core_->close();
    core_->join();
}

pool_stats thread_pool::stats() const noexcept
{
    const scheduler::counts c = core_->sched.count();
    return {.threads = size(), .submitted = c.submitted, .completed = c.finished, .pending = c.submitted - c.finished};
}

} // namespace tandem
