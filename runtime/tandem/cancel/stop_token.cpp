// How it works. A source has a list of entries, a lock, and a `stopped` bit. An entry is a
// stop_callback, or a child source (a link).
//
// Everything but the bits of state_ is plain data, read and written under the source's lock, or by
// the one thread that owns it. The lock is `locked` in state_: taken with an acquire operation and
// given back with a release, so each critical section sees all those before it. Nobody holds two
// locks, and no callback runs under one.
//
// request_stop takes entries out one by one, under the lock, leaves in each who runs it (a stop_delivery on its stack), runs it outside,
// and says in it under the lock again when it has returned. So remove() knows under the lock which case it is in:
//   - the entry is in the list (prev is not null): take it out, it will never run;
//   - it was taken out, and next is 0: it has returned, and whatever it did happened before the deliverer's lock that set this, which is
//     before ours;
//   - another thread runs it: wait until it has returned;
//   - this thread runs it: we are inside its call, and the entry will be gone when that returns. The deliverer is told, so that it does
//     not touch the entry any more.

#include <tandem/cancel/stop_token.hpp>

#include <thread>

namespace tandem {

// A call of request_stop. It runs one callback at a time, but may be in many sources, one below the other.
struct detail::stop_delivery {
    const void* thread;
    bool gone; // the callback that it runs has been destroyed by itself; touched by this thread only
};

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

detail::stop_entry& to_entry(detail::stop_entry::link l) noexcept
{
    return *reinterpret_cast<detail::stop_entry*>(l & ~detail::stop_entry::is_source);
}

// Takes an entry out of the list that it is in.
void take_out(detail::stop_entry& entry) noexcept
{
    *entry.prev = entry.next;
    if (entry.next != 0)
        to_entry(entry.next).prev = entry.prev;
}

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
bool stop_source::insert(detail::stop_entry& entry, link mark) noexcept
{
    const word state = lock();
    if ((state & stopped) != 0) {
        unlock(state);
        return false;
    }
    entry.next = callbacks_;
    entry.prev = &callbacks_;
    if (callbacks_ != 0)
        to_entry(callbacks_).prev = &entry.next;
    callbacks_ = reinterpret_cast<link>(&entry) + mark;
    unlock(state);
    return true;
}

void stop_source::add(detail::stop_callback_base& callback) noexcept
{
    // Relaxed: link_up() looks again under the lock. Whoever sees the bit need not wait for the link to
    // be complete: it is the linker that delivers to this source if a parent was stopped already,
    // and it does so after the bit was set, to all that is listed by then or is added later.
    if (parent_ != nullptr && (state_.load(std::memory_order_relaxed) & linked) == 0)
        link_up();
    if (insert(callback, 0))
        return;
    callback.owner = nullptr;
    callback.invoke(&callback);
}

// Enters this source in its parent's list, the parent in its own parent's, and so on, up to a
// source that someone else has linked or is linking. From below upwards, so that it is a loop. Until
// the upper links are made a stop from above does not arrive; whoever makes them then finds it.
void stop_source::link_up() noexcept
{
    for (stop_source* child = this; child->parent_ != nullptr; child = child->parent_) {
        const word state = child->lock();
        child->unlock(state | linked);
        if ((state & linked) != 0)
            return;

        if (!child->parent_->insert(*child, is_source)) {
            child->next = 0; // as one that has returned: see unlink()
            child->prev = nullptr;
            child->request_stop();
            return; // it is stopped, so it needs nothing from further up
        }
    }
}

void stop_source::unlink() noexcept
{
    if (parent_ == nullptr)
        return;
    [[maybe_unused]] const bool can_go = parent_->remove(*this);
    assert(can_go && "a callback destroyed, on its own thread, a stop_source that is being stopped");
}

// False: this is called from within the call of `entry`.
bool stop_source::remove(detail::stop_entry& entry) noexcept
{
    for (backoff wait;; wait.pause()) {
        const word state = lock();
        if (entry.prev != nullptr) {
            take_out(entry);
            unlock(state);
            return true;
        }
        if (entry.next == 0) {
            unlock(state);
            return true;
        }
        // It is there yet: before it returns it needs our lock, to set next to 0.
        auto& delivery = *reinterpret_cast<detail::stop_delivery*>(entry.next);
        if (delivery.thread == this_thread_mark()) {
            delivery.gone = true;
            unlock(state);
            return false;
        }
        unlock(state);
    }
}

// True: this call is the first. Then the source is left locked, for request_stop() to go on.
bool stop_source::begin_stop() noexcept
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
    // Relaxed: the lock is ours, and the unlock that comes before the first callback publishes it.
    state_.store(state | stopped | locked, std::memory_order_relaxed);
    return true;
}

// Goes down the tree of linked sources depth first, without recursion: the way back up is parent_,
// because a source is in the list of no other. A child that we are in lives until its entry says that
// it has returned, since its destructor waits for that.
bool stop_source::request_stop() noexcept
{
    if (!begin_stop())
        return false;

    const delivery_scope scope;
    detail::stop_delivery delivery{this_thread_mark(), false};
    stop_source* source = this;
    for (;;) { // here `source` is locked by us and its stopped bit is set
        // Relaxed: under the lock.
        const word state = source->state_.load(std::memory_order_relaxed) & ~locked;
        detail::stop_entry* entry = nullptr;
        if (const link first = source->callbacks_; first != 0) {
            entry = &to_entry(first);
            take_out(*entry);
            entry->prev = nullptr;
            entry->next = reinterpret_cast<link>(&delivery);
            source->unlock(state);

            if ((first & is_source) == 0) {
                auto* const callback = static_cast<detail::stop_callback_base*>(entry);
                callback->invoke(callback);
            }
            else if (auto* const child = static_cast<stop_source*>(entry); child->begin_stop()) {
                source = child;
                continue;
            }
        }
        else {
            source->unlock(state);
            if (source == this)
                return true;
            entry = source;
            source = source->parent_;
        }
        source->lock();
        if (!std::exchange(delivery.gone, false))
            entry->next = 0; // it has returned; from the unlocking on it may be gone
    }
}

} // namespace tandem
