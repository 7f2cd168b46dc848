#include <tandem/base/errc.hpp>
#include <tandem/trace/observer.hpp>

#include <cstdio>
#include <string>

namespace tandem {

namespace detail {
constinit std::atomic<observer*> installed_observer{nullptr};

namespace {
constinit std::atomic<std::uint64_t> superseded{0};
} // namespace

void report_superseded(const std::exception_ptr& error) noexcept
{
    if (is_operation_cancelled(error))
        return;
    superseded.fetch_add(1, std::memory_order_relaxed);
    if (observer* const o = current_observer())
        o->error_superseded(error);
}

void print(const blocked_worker& b) noexcept
{
    std::string by(b.task);
    if (!by.empty())
        by = "task \"" + by + "\"";
    if (b.line)
        by += (by.empty() ? "a task behind " : " behind ") + b.line.text();
    if (!b.function.empty())
        by += (by.empty() ? "a call of " : ", ") + std::string(b.function);
    std::fprintf(stderr, "tandem: pool '%s': worker %zu has been blocked for %.3g s by %s\n", std::string(b.pool).c_str(), b.worker,
        static_cast<double>(b.blocked_for.count()) / 1e9, by.empty() ? "a handler of Asio's" : by.c_str());
}
} // namespace detail

observer::~observer() = default;
void observer::task_submitted(const void*) noexcept {}
void observer::task_finished(const void*, const std::exception_ptr&) noexcept {}
void observer::error_superseded(const std::exception_ptr&) noexcept {}
void observer::worker_blocked() noexcept {}
void observer::worker_stalled(const blocked_worker& b) noexcept { detail::print(b); }

std::uint64_t superseded_errors() noexcept { return detail::superseded.load(std::memory_order_relaxed); }

observer* set_observer(observer* o) noexcept { return detail::installed_observer.exchange(o, std::memory_order_acq_rel); }

} // namespace tandem
