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
    trampoline& t = this_thread_trampoline;
    if (t.active && !t.next)
        t.next = h;
    else
        // Somebody called handle.resume() directly: either there is no loop below us, or its place is taken by a coroutine that
        // such a call suspended. A loop of our own is right in both cases; the awaiting coroutine is suspended already.
        tandem::resume(h);
    return std::noop_coroutine();
}

} // namespace tandem
