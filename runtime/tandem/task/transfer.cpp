#include <tandem/task/transfer.hpp>

#include <utility>

namespace tandem {

namespace {

struct trampoline {
    std::coroutine_handle<> next; // what the coroutine that just suspended hands over to
    bool active = false;
};

// Never cached across a suspension: only the two functions below touch it, and neither is a coroutine nor inlined into one.
constinit thread_local trampoline this_thread_trampoline{};

} // namespace

void resume(std::coroutine_handle<> h) noexcept
{
    trampoline& t = this_thread_trampoline;
    const trampoline outer = std::exchange(t, trampoline{{}, true});
    do {
        h.resume();
        h = std::exchange(t.next, nullptr);
    } while (h);
    t = outer;
}

std::coroutine_handle<> detail::park(std::coroutine_handle<> h) noexcept
{
    // Somebody may have called handle.resume() directly. Without a loop below us we need one of our own; the awaiting coroutine is
    // suspended already. And if such a call was made within the loop, the coroutine that it suspended has left there what it waits
    // for: that goes first, in a loop of its own, as it would have gone within the call; then the place is ours.
    trampoline& t = this_thread_trampoline;
    if (!t.active) {
        tandem::resume(h);
        return std::noop_coroutine();
    }
    if (const std::coroutine_handle<> displaced = std::exchange(t.next, nullptr))
        tandem::resume(displaced);
    t.next = h;
    return std::noop_coroutine();
}

} // namespace tandem
