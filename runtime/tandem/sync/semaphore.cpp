#include <tandem/sync/semaphore.hpp>

#include <stdexcept>
#include <string>

namespace tandem {

namespace {

using number = detail::wait_queue::number;

number checked(const char* what, std::ptrdiff_t units, number already)
{
    if (units < 0)
        throw std::invalid_argument(std::string(what) + ": units is " + std::to_string(units) + ", it must not be negative");
    if (static_cast<number>(units) > static_cast<number>(semaphore::max()) - already)
        throw std::invalid_argument(std::string(what) + ": units is " + std::to_string(units) + ", and with the " +
                                    std::to_string(already) + " that are there more than " + std::to_string(semaphore::max()));
    return static_cast<number>(units);
}

} // namespace

semaphore::semaphore(std::ptrdiff_t units) : queue_(checked("semaphore", units, 0)) {}

void semaphore::release(std::ptrdiff_t units)
{
    if (queue_.try_change([units](number there) { return there + checked("semaphore::release", units, there); }))
        return;
    number left = checked("semaphore::release", units, 0);
    detail::waiter_list woken;
    const number there = queue_.lock();
    for (; left > 0 && !queue_.waiters.empty(); --left)
        queue_.waiters.grant_first(woken);
    const bool too_many = left > static_cast<number>(max()) - there; // then nobody waited, and nobody was woken
    queue_.unlock(too_many ? there : there + left);
    woken.resume_all();
    if (too_many)
        checked("semaphore::release", units, there);
}

} // namespace tandem
