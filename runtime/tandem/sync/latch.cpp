#include <tandem/sync/latch.hpp>

#include <stdexcept>
#include <string>

namespace tandem {

namespace {

using number = detail::wait_queue::number;

number checked(const char* what, const char* name, std::ptrdiff_t n, number most)
{
    if (n < 0)
        throw std::invalid_argument(std::string(what) + ": " + name + " is " + std::to_string(n) + ", it must not be negative");
    if (static_cast<number>(n) > most)
        throw std::invalid_argument(
            std::string(what) + ": " + name + " is " + std::to_string(n) + ", and it may be at most " + std::to_string(most));
    return static_cast<number>(n);
}

} // namespace

latch::latch(std::ptrdiff_t count) : queue_(checked("latch", "count", count, static_cast<number>(max()))) {}

void latch::count_down(std::ptrdiff_t n)
{
    constexpr const char* what = "latch::count_down";
    if (queue_.try_change([n](number left) { return left - checked(what, "n", n, left); }))
        return;
    detail::waiter_list woken;
    const number left = queue_.lock();
    const bool valid = n >= 0 && static_cast<number>(n) <= left;
    const number after = valid ? left - static_cast<number>(n) : left;
    if (after == 0)
        queue_.waiters.grant_all(woken);
    queue_.unlock(after);
    woken.resume_all();
    if (!valid)
        checked(what, "n", n, left);
}

} // namespace tandem
