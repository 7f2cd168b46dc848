// How it works. A source has a list of entries, a lock, and a `stopped` bit. An entry is a
// stop_callback, or a child source (a link).
//
// Everything but the bits of state_ is plain data, read and written under the source's lock, or by
// the one thread that owns it. The lock is `locked` in state_: taken with an acquire operation and
// given back with a release, so each critical section sees all those before it. Nobody holds two
// locks, and no callback runs under one.
//
// request_stop takes entries out one by one, under the lock, runs them outside, and says under the
// lock which one it is at (running_) and who it is (thread_). From the moment an entry has returned
// it does not touch the entry any more. So remove() knows under the lock which case it is in:
//   - the entry is in the list (prev is not null): take it out, it will never run;
//   - it was taken out and is not running_: it has returned, and whatever it did happened before
//     the deliverer's lock that changed running_, which is before ours;
//   - it is running_ on another thread: wait until it is not;
//   - it is running_ on this thread: we are inside its call. Nothing to do.
// A stale running_ is never mistaken for another entry at the same address: stop was requested by
// then, so nothing is ever listed again.

#include <tandem/cancel/stop_token.hpp>

#include <thread>

namespace tandem {
namespace {

// Names the calling thread, more cheaply than std::thread::id. Not inlined: see rule 8 of the
// design, callers may be inlined into coroutines.
TANDEM_NOINLINE const void* this_thread_mark() noexcept
{
    static thread_local char mark;
    return &mark;
}

// The request_stop calls that this thread is inside, and what to call when the outermost is done. Touched by the functions below
// only, which are not inlined into coroutines.
struct delivery {
    int depth;
    void (*after)() noexcept;
};
constinit thread_local delivery this_thread_delivery{};

class delivery_scope {
public:
    delivery_scope() noexcept { ++this_thread_delivery.depth; }
    ~delivery_scope()
    {
        delivery& d = this_thread_delivery;
        if (--d.depth == 0 && TANDEM_UNLIKELY(d.after != nullptr))
            std::exchange(d.after, nullptr)();
    }
    delivery_scope(const delivery_scope&) = delete;
    delivery_scope& operator=(const delivery_scope&) = delete;
};

// For waits that are short, or as long as a user's callback takes.
class backoff {
public:
    void pause() noexcept
    {
        if (turns_ < 64) {
            ++turns_;
            detail::cpu_relax();
        }
        else {
            std::this_thread::yield();
        }
    }

private:
    int turns_ = 0;
};

} // namespace

bool detail::call_after_delivery(void (*f)() noexcept) noexcept
{
    delivery& d = this_thread_delivery;
    if (d.depth == 0)
        return false;
    d.after = f;
    return true;
}

// Takes the lock and returns the other bits.
stop_source::word stop_source::lock() noexcept
{
    // Relaxed: the load only guesses, the exchange decides. Acquire when it succeeds: pairs with
    // unlock(), so the critical sections are ordered. Relaxed when it fails: nothing was learnt.
    word state = state_.load(std::memory_order_relaxed);
    for (backoff wait;; wait.pause()) {
        state &= ~locked;
        if (state_.compare_exchange_weak(state, state | locked, std::memory_order_acquire, std::memory_order_relaxed)) {
            return state;
        }
    }
}

// Gives the lock back and sets the other bits to `state`. A plain store can lose nobody's bit, since
// only the holder of the lock changes any. Release: pairs with lock(), and with the acquire in
// stop_requested() when it publishes `stopped`.
void stop_source::unlock(word state) noexcept { state_.store(state, std::memory_order_release); }

// True: the entry is in the list. False: stop was requested, it is not.
bool stop_source::insert(detail::stop_callback_base& callback) noexcept
{
    const word state = lock();
    if ((state & stopped) != 0) {
        unlock(state);
        return false;
    }
    callback.next = callbacks_;
    callback.prev = &callbacks_;
    if (callbacks_ != nullptr)
        callbacks_->prev = &callback.next;
    callbacks_ = &callback;
    unlock(state);
    return true;
}

void stop_source::add(detail::stop_callback_base& callback) noexcept
{
    // Relaxed: link() looks again under the lock. Whoever sees the bit need not wait for the link to
    // be complete: it is the linker that delivers to this source if a parent was stopped already,
    // and it does so after the bit was set, to all that is listed by then or is added later.
    if (parent_ != nullptr && (state_.load(std::memory_order_relaxed) & linked) == 0)
        link();
    if (insert(callback))
        return;
    callback.owner = nullptr;
    callback.invoke(&callback);
}

// Enters this source in its parent's list, the parent in its own parent's, and so on, up to a
// source that someone else has linked or is linking. From below upwards, so that it is a loop. Until
// the upper links are made a stop from above does not arrive; whoever makes them then finds it.
void stop_source::link() noexcept
{
    for (stop_source* child = this; child->parent_ != nullptr; child = child->parent_) {
        const word state = child->lock();
        child->unlock(state | linked);
        if ((state & linked) != 0)
            return;

        child->owner = child->parent_;
        child->invoke = nullptr;
        if (!child->parent_->insert(*child)) {
            child->owner = nullptr;
            child->request_stop();
            return; // it is stopped, so it needs nothing from further up
        }
    }
}

void stop_source::unlink() noexcept
{
    if (owner != nullptr)
        owner->remove(*this);
}

void stop_source::remove(detail::stop_callback_base& callback) noexcept
{
    for (backoff wait;; wait.pause()) {
        const word state = lock();
        if (callback.prev != nullptr) {
            *callback.prev = callback.next;
            if (callback.next != nullptr)
                callback.next->prev = callback.prev;
            unlock(state);
            return;
        }
        const bool running = running_ == &callback;
        const bool here = running && thread_ == this_thread_mark();
        unlock(state);
        if (here) {
            assert(callback.invoke != nullptr && "a callback destroyed, on its own thread, a stop_source that is being stopped");
            return;
        }
        if (!running)
            return;
    }
}

// True: this call is the first. Then the source is left locked, for request_stop() to go on.
bool stop_source::begin_stop(const void* thread) noexcept
{
    // The deliverer is at a stopped source, so it is not locked for a mere question. Acquire: what the
    // first caller did before is visible to this one too.
    if ((state_.load(std::memory_order_acquire) & stopped) != 0)
        return false;
    const word state = lock();
    if ((state & stopped) != 0) {
        unlock(state);
        return false;
    }
    running_ = nullptr;
    thread_ = thread;
    // Relaxed: the lock is ours, and the unlock that comes before the first callback publishes it.
    state_.store(state | stopped | locked, std::memory_order_relaxed);
    return true;
}

// Goes down the tree of linked sources depth first, without recursion: the way back up is parent_,
// because a source is in the list of no other. A child that we are in lives until running_ of its
// parent has moved on, since its destructor waits for that.
bool stop_source::request_stop() noexcept
{
    const void* const thread = this_thread_mark();
    if (!begin_stop(thread))
        return false;

    const delivery_scope scope;
    stop_source* source = this;
    for (;;) { // here `source` is locked by us and its stopped bit is set
        // Relaxed: under the lock.
        const word state = source->state_.load(std::memory_order_relaxed) & ~locked;
        detail::stop_callback_base* const entry = source->callbacks_;
        source->running_ = entry;
        if (entry != nullptr) {
            source->callbacks_ = entry->next;
            if (entry->next != nullptr)
                entry->next->prev = &source->callbacks_;
            entry->prev = nullptr;
            source->unlock(state);

            if (entry->invoke != nullptr) {
                entry->invoke(entry); // afterwards the entry may be gone
            }
            else if (auto* const child = static_cast<stop_source*>(entry); child->begin_stop(thread)) {
                source = child;
                continue;
            }
        }
        else {
            stop_source* const parent = source->parent_;
            source->unlock(state);
            if (source == this)
                return true;
            source = parent;
        }
        source->lock();
    }
}

} // namespace tandem
