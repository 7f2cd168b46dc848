#include <tandem/sync/mutex.hpp>

namespace tandem {

void mutex::hand_over() noexcept
{
    detail::waiter_list next;
    detail::wait_queue::number held = queue_.lock();
    if (queue_.waiters.empty())
        held = 0; // the last who waited was stopped
    else
        queue_.waiters.grant_first(next); // it stays held, by that one
    queue_.unlock(held);
    next.resume_all();
}

} // namespace tandem
