// stop_source, stop_token, stop_callback: asking work to stop. In place: nothing is allocated.
#pragma once

#include <tandem/base/config.hpp>

#include <atomic>
#include <cassert>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace tandem {

class stop_source;
class stop_token;
class stop_hook;
template <class F>
class stop_callback;

namespace detail {

/// An entry in a stop_source's list; guarded by that one's lock. Deliberately without initialisers: a stop_source is one itself (its
/// entry in its parent's list), and most are never linked.
struct stop_entry {
    using link = std::uintptr_t;         // an entry's address, and the mark if it is a child source; 0: none
    static constexpr link is_source = 1; // the mark

    link next;  // and when it is taken out: the stop_delivery that runs it, then 0
    link* prev; // what leads here; null: request_stop has taken it out
};

struct stop_callback_base : stop_entry {
    stop_source* owner; // whose list; null: never listed, and nothing to take out
    void (*invoke)(stop_callback_base*) noexcept;
};

struct stop_delivery;

/// When this thread is inside a request_stop(): true, and `f` is called on it as soon as the outermost has delivered everything. For what
/// would resume a coroutine in place, which a callback must not do. One `f` per program.
bool call_after_delivery(void (*f)() noexcept) noexcept;

} // namespace detail

/// Asks whether stop was requested, on behalf of one stop_source. A copyable pointer.
///
/// Thread safety: all members may be called from any thread. The source must outlive the use of
/// its tokens. A default constructed token belongs to no source and never stops.
class stop_token {
public:
    stop_token() noexcept = default;

    /// Whether the source, or any source above it, was asked to stop. What the thread that asked did
    /// before is visible to a caller that gets true. Cost: a load per source up the chain.
    [[nodiscard]] bool stop_requested() const noexcept;

    /// Whether there is a source at all.
    [[nodiscard]] bool stop_possible() const noexcept { return source_ != nullptr; }

    friend bool operator==(const stop_token&, const stop_token&) noexcept = default;

private:
    friend class stop_source;
    friend class stop_hook;
    template <class F>
    friend class stop_callback;
    explicit stop_token(stop_source* source) noexcept : source_(source) {}

    stop_source* source_ = nullptr;
};

/// Where a stop is requested. As C++26's std::inplace_stop_source, and with a parent: a source
/// that is made from a token stops when the token's source does.
///
/// Neither copied nor moved; it is a member or a local of the operation that it stops, and its
/// tokens and callbacks point into it.
///
/// Lifetime: the parent's source must outlive this one. All stop_callbacks on this source must be
/// gone before it is destroyed (an assert). The destructor waits while another thread delivers
/// the parent's stop to this source.
///
/// A callback must not, on the thread that runs it, cause the destruction of a source on the chain
/// that is being stopped, from the one request_stop() was called on down to the callback's own: the
/// thread is still inside them (an assert, where it can be seen). So a callback sets a flag, or
/// posts; it never resumes a coroutine in place.
///
/// Thread safety: all but construction and destruction may be called from any thread.
///
/// Cost: 40 bytes (on 64-bit). Making one is three plain stores and destroying it one load, with a
/// parent or without, as long as no callback is registered. The first stop_callback on a source
/// links it to its parent, and so on up to the first that is linked already; each link costs two
/// short locks. Constant stack, however long the chain.
class stop_source : private detail::stop_entry {
public:
    // NOLINTBEGIN(cppcoreguidelines-pro-type-member-init): see stop_entry
    stop_source() noexcept {}
    explicit stop_source(stop_token parent) noexcept : parent_(parent.source_) {}
    // NOLINTEND(cppcoreguidelines-pro-type-member-init)

    stop_source(const stop_source&) = delete;
    stop_source& operator=(const stop_source&) = delete;

    ~stop_source()
    {
        // Relaxed: the caller sees to it that every use of this source happens before its end, so the
        // bit, set by the first stop_callback's constructor, is seen. The one use that the caller
        // cannot order is the parent's delivery, and that is met under the parent's lock, in unlink().
        if (TANDEM_UNLIKELY(is_linked()))
            unlink();
        assert(callbacks_ == 0 && "a stop_source was destroyed before a stop_callback on it");
    }

    /// A token of this source. (It is const for the sake of const member functions of the owner; a
    /// source that is itself defined const is of no use, and must have no callback.)
    [[nodiscard]] stop_token get_token() const noexcept { return stop_token{const_cast<stop_source*>(this)}; }

    /// Requests stop: runs the callbacks registered on this source and on the sources below it, on
    /// this thread, one after another, and returns when all have returned. True for the first caller;
    /// a later one gets false at once, and then the callbacks may be still running on the first's
    /// thread. (A parent's stop that was not delivered, for want of a callback, does not count.)
    ///
    /// May be called from within a callback. The source must live until the call has returned.
    bool request_stop() noexcept;

    /// False: nothing below has a callback on it, or ever had. For owners of what may have, at its end; see the destructor.
    [[nodiscard]] bool is_linked() const noexcept { return (state_.load(std::memory_order_relaxed) & linked) != 0; }

    /// For an owner that lives on when the parent goes: leaves the parent's list, waiting as the
    /// destructor does. From then on the parent's stop does not arrive; no callback may be registered
    /// and no stop_requested() asked any more, but request_stop() still may be called, from any thread.
    void leave_parent() noexcept
    {
        if (TANDEM_UNLIKELY(is_linked())) {
            unlink();
            parent_ = nullptr; // for the destructor; of what may still be called nothing reads it
        }
    }

    /// As stop_token::stop_requested().
    [[nodiscard]] bool stop_requested() const noexcept
    {
        const stop_source* source = this;
        do {
            // Acquire: pairs with the release in unlock() that published the bit, so that the caller
            // sees what came before the request. parent_ does not change while this may be asked.
            if ((source->state_.load(std::memory_order_acquire) & stopped) != 0)
                return true;
            source = source->parent_;
        } while (source != nullptr);
        return false;
    }

private:
    friend class stop_hook;
    template <class F>
    friend class stop_callback;

    using word = std::uintptr_t; // as large as the pointer after it, so that compilers clear both with one store
    // The bits of state_. Only the holder of `locked` changes them.
    static constexpr word stopped = 1; // never taken back
    static constexpr word locked = 2;
    static constexpr word linked = 4; // someone has linked this to the parent, or is at it

    void add(detail::stop_callback_base& callback) noexcept;
    bool remove(detail::stop_entry& entry) noexcept;
    bool insert(detail::stop_entry& entry, link mark) noexcept;
    void link_up() noexcept;
    void unlink() noexcept;
    bool begin_stop() noexcept;
    word lock() noexcept;
    void unlock(word state) noexcept;

    std::atomic<word> state_{0};
    link callbacks_ = 0; // guarded by the lock
    stop_source* parent_ = nullptr;
};

/// Has `callback` called when stop is requested, once, on the thread that requests it; or in the
/// constructor, on this thread, when it was requested already.
///
/// The destructor takes the callback out. If the callback is running just then on another thread,
/// the destructor waits until it has returned; if on this thread (it is destroyed from within
/// its own call), it returns at once. So after it the callback neither runs nor will run, and it
/// may refer to whatever outlives the stop_callback.
///
/// Errors: a callback that throws ends the program. Construction throws what making the F throws.
///
/// Lifetime: the token's source must outlive the stop_callback. See stop_source for what a callback
/// must not do.
///
/// Cost: four pointers and the F; nothing is allocated. Construction and destruction each take a
/// short lock of the source, with a token that cannot stop nothing. The first on a source also
/// links that source to its parents.
template <class F>
class [[nodiscard("the callback is taken out when this is destroyed")]] stop_callback : private detail::stop_callback_base {
    static_assert(std::is_invocable_v<F>, "stop_callback: the callback must be callable as f()");

public:
    using callback_type = F;

    template <class G>
        requires std::is_constructible_v<F, G>
    explicit stop_callback(stop_token token, G&& callback) noexcept(std::is_nothrow_constructible_v<F, G>)
        : callback_(std::forward<G>(callback))
    {
        owner = token.source_;
        if (owner == nullptr)
            return;
        invoke = [](detail::stop_callback_base* self) noexcept { std::forward<F>(static_cast<stop_callback*>(self)->callback_)(); };
        owner->add(*this);
    }

    stop_callback(const stop_callback&) = delete;
    stop_callback& operator=(const stop_callback&) = delete;

    ~stop_callback()
    {
        if (owner != nullptr)
            owner->remove(*this);
    }

private:
    F callback_;
};

template <class F>
stop_callback(stop_token, F) -> stop_callback<F>;

/// A stop_callback of four pointers that is taken up and put down: a base class of the wait that it stops, which it finds from itself. For
/// implementers of waits. Thread safety, lifetime and cost are those of a stop_callback.
class stop_hook : public detail::stop_callback_base {
public:
    using function = void(detail::stop_callback_base*) noexcept;

    stop_hook() noexcept { owner = nullptr; } // NOLINT: see stop_callback_base
    stop_hook(const stop_hook&) = delete;
    stop_hook& operator=(const stop_hook&) = delete;
    ~stop_hook() { disarm(); }

    /// As the construction of a stop_callback: may call `f`, with this object, at once.
    void arm(stop_token token, function* f) noexcept
    {
        owner = token.source_;
        if (owner == nullptr)
            return;
        invoke = f;
        owner->add(*this);
    }
    /// As the destruction of a stop_callback.
    void disarm() noexcept
    {
        if (owner != nullptr)
            std::exchange(owner, nullptr)->remove(*this);
    }
};

inline bool stop_token::stop_requested() const noexcept { return source_ != nullptr && source_->stop_requested(); }

} // namespace tandem
