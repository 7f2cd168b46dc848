#include <tandem/trace/observer.hpp>

namespace tandem {

namespace detail {
constinit std::atomic<observer*> installed_observer{nullptr};
} // namespace detail

observer::~observer() = default;
void observer::task_submitted(const void*) noexcept {}
void observer::task_finished(const void*, const std::exception_ptr&) noexcept {}
void observer::error_superseded(const std::exception_ptr&) noexcept {}
void observer::worker_blocked() noexcept {}

observer* set_observer(observer* o) noexcept { return detail::installed_observer.exchange(o, std::memory_order_acq_rel); }

} // namespace tandem
