#include <tandem/sync/event.hpp>

namespace tandem {

void event::set_and_wake() noexcept
{
    detail::waiter_list woken;
    static_cast<void>(queue_.lock());
    queue_.waiters.grant_all(woken);
    queue_.unlock(1);
    woken.resume_all();
}

void event::reset() noexcept
{
    if (queue_.try_change([](auto) { return detail::wait_queue::number{0}; }))
        return;
    static_cast<void>(queue_.lock());
    queue_.unlock(0);
}

} // namespace tandem
