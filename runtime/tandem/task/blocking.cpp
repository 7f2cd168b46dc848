#include <tandem/task/blocking.hpp>

#include <utility>

namespace tandem {

namespace {
constinit thread_local thread_host* this_thread_host = nullptr;
} // namespace

thread_host* set_thread_host(thread_host* h) noexcept { return std::exchange(this_thread_host, h); }

blocking_section::blocking_section() noexcept : host_(this_thread_host)
{
    if (host_)
        host_->enter_blocking();
}

blocking_section::~blocking_section()
{
    if (host_)
        host_->leave_blocking();
}

} // namespace tandem
