#include <tandem/base/errc.hpp>
#include <tandem/trace/observer.hpp>

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
} // namespace detail

observer::~observer() = default;
void observer::task_submitted(const void*) noexcept {}
void observer::task_finished(const void*, const std::exception_ptr&) noexcept {}
void observer::error_superseded(const std::exception_ptr&) noexcept {}
void observer::worker_blocked() noexcept {}

std::uint64_t superseded_errors() noexcept { return detail::superseded.load(std::memory_order_relaxed); }

observer* set_observer(observer* o) noexcept { return detail::installed_observer.exchange(o, std::memory_order_acq_rel); }

} // namespace tandem
