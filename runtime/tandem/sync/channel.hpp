#pragma once

#include <tandem/base/errc.hpp>
#include <tandem/sync/detail/channel_buffer.hpp>
#include <tandem/sync/detail/queued_waiter.hpp>

#include <atomic>
#include <cstddef>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

namespace tandem {

namespace detail {
[[noreturn]] void throw_bad_channel_capacity(std::size_t capacity, std::size_t most);
} // namespace detail

/// Hands values from tasks that send to tasks that receive, in order, many on either side. While it waits a task suspends.
///
/// A channel holds at most `capacity` values that nobody has received yet; when it is full, who sends waits. With capacity 0 each
/// send waits until somebody receives; an unbounded channel never makes the sender wait. Each value is received once. Values come
/// out in the order in which they went in, and who waits on either side is served in the order of coming.
///
/// `close` ends it: whoever sends from then on, or waits to, gets channel_closed; what is inside may still be received, and then
/// receivers get nullopt.
///
/// Errors: a send that fails, for whatever reason, leaves the value with the sender (see `send`). What T's move throws comes out of
/// the operation that moved; a value whose move out of the channel threw stays the first in it. An unbounded channel throws
/// std::bad_alloc from a send.
/// Cancellation: a wait throws operation_cancelled when the task is asked to stop; then nothing was sent or received. An operation
/// that need not wait does not look.
/// Thread safety: all members, from any thread and context. A task resumes on its own context. T's move runs under a short lock of the
/// channel, so it must not use the channel, and should be quick.
/// Lifetime: it outlives every operation on it, until that has returned. Values nobody has received go with it.
/// Cost: no allocation after the construction, but for each page of values in an unbounded one; some ten nanoseconds for a send or
/// receive without a wait. Sender and receiver do not stand in each other's way unless the channel is full or empty.
///
///     tandem::channel<std::string> lines{16};
///     co_await lines.send("hello");
///     while (auto line = co_await lines.receive())
///         use(*line);
template <class T>
class channel {
    static_assert(std::is_object_v<T> && std::is_move_constructible_v<T>, "channel<T>: T must be a type of movable objects");
    static_assert(std::is_nothrow_destructible_v<T>, "channel<T>: the destructor of T must not throw");

public:
    using value_type = T;
    class send_operation;
    class receive_operation;

    /// Throws std::invalid_argument when so many would not fit in any memory, and std::bad_alloc when they do not in this one's.
    explicit channel(std::size_t capacity) : buffer_(checked(capacity)) {}
    [[nodiscard]] static channel unbounded() { return channel(no_limit{}); }
    channel(const channel&) = delete;
    channel& operator=(const channel&) = delete;

    /// `co_await c.send(value)`: returns when the value is in the channel or with a receiver. The operation owns the value meanwhile;
    /// whoever wants it back after a failure names the operation: `auto s = c.send(std::move(v));`, `co_await s;`, `s.value()`.
    [[nodiscard("co_await it")]] send_operation send(T value) noexcept(std::is_nothrow_move_constructible_v<T>);
    /// Sends if it need not wait; false when the channel is full or closed, and then `value` is as it was.
    [[nodiscard]] bool try_send(T&& value) { return send_now(value) == result::done; }
    [[nodiscard]] bool try_send(const T& value)
        requires std::is_copy_constructible_v<T>
    {
        return try_send(T(value));
    }

    /// `co_await c.receive()` gives the next value, or nullopt when the channel is closed and empty. What a receive has taken goes with
    /// it: the loser of a `race` may have received a value, too.
    [[nodiscard("co_await it")]] receive_operation receive() noexcept;
    /// The next value if there is one now.
    [[nodiscard]] std::optional<T> try_receive()
    {
        std::optional<T> value;
        static_cast<void>(receive_now(value));
        return value;
    }

    /// Ends the channel. From the second time on it does nothing.
    void close() noexcept;
    [[nodiscard]] bool is_closed() const noexcept { return closed_.load(std::memory_order_acquire); }

    /// How many values are inside just now; those that wait with their senders do not count.
    [[nodiscard]] std::size_t size() const noexcept { return buffer_.size(); }
    /// The largest size_t when unbounded.
    [[nodiscard]] std::size_t capacity() const noexcept { return buffer_.capacity(); }

private:
    class sender;
    class receiver;
    class both_ends;
    using buffer = detail::channel_buffer<T>;
    enum class result : unsigned char { done, must_wait, closed };

    struct no_limit {};
    explicit channel(no_limit) : buffer_(buffer::unbounded) {}
    static std::size_t checked(std::size_t capacity)
    {
        constexpr std::size_t most = static_cast<std::size_t>(-1) / 4 / sizeof(T);
        if (capacity > most)
            detail::throw_bad_channel_capacity(capacity, most);
        return capacity;
    }

    result send_now(T& value);
    result send_at_both_ends(T& value);
    result send_locked(T& value, detail::waiter_list& woken);
    result receive_now(std::optional<T>& to);
    result receive_at_both_ends(std::optional<T>& to);
    result receive_locked(std::optional<T>& to, detail::waiter_list& woken);
    void refill(detail::waiter_list& woken) noexcept;

    // All below is written under the locks of both ends, so whoever holds one may read it. While receivers wait the channel is empty;
    // while senders wait it is full; so never both.
    buffer buffer_;
    std::atomic<bool> closed_{false}; // atomic for those who hold none
    detail::waiter_list senders_;
    detail::waiter_list receivers_;
};

// -----------------------------------------------------------------------------------------------

/// The locks of both ends, always in this order.
template <class T>
class channel<T>::both_ends {
public:
    explicit both_ends(channel& c) noexcept : in_(c.buffer_.in_lock()), out_(c.buffer_.out_lock()) {}

private:
    detail::spin_guard in_;
    detail::spin_guard out_;
};

template <class T>
class channel<T>::sender final : public detail::queued_waiter {
public:
    sender(channel& c, T& v) noexcept : channel_(c), value_(v) {}
    ~sender()
    {
        if (still_waiting())
            static_cast<void>(abandon());
    }

    [[nodiscard]] bool await_ready()
    {
        const result r = channel_.send_now(value_);
        refused_ = r == result::closed;
        return r != result::must_wait;
    }
    void await_resume()
    {
        finish("a task was asked to stop while it waited to send to a channel");
        if (TANDEM_UNLIKELY(error_ != nullptr))
            std::rethrow_exception(std::move(error_));
        if (TANDEM_UNLIKELY(refused_))
            throw channel_closed("send");
    }

private:
    friend channel;

    bool enter() noexcept override
    {
        bool waits = false;
        detail::waiter_list woken;
        {
            const both_ends lock(channel_);
            try {
                const result r = channel_.send_locked(value_, woken);
                refused_ = r == result::closed;
                if (r == result::must_wait)
                    waits = join(channel_.senders_);
                else
                    grant();
            }
            catch (...) {
                error_ = std::current_exception();
                grant();
            }
        }
        woken.resume_all();
        return waits;
    }
    bool withdraw() noexcept override
    {
        const both_ends lock(channel_);
        return take_out(channel_.senders_);
    }

    channel& channel_;
    T& value_;                 // in the send_operation, which lives longer
    std::exception_ptr error_; // what its move threw
    bool refused_ = false;
};

template <class T>
class channel<T>::receiver final : public detail::queued_waiter {
public:
    explicit receiver(channel& c) noexcept : channel_(c) {}
    ~receiver()
    {
        if (still_waiting())
            static_cast<void>(abandon());
    }

    [[nodiscard]] bool await_ready() { return channel_.receive_now(value_) != result::must_wait; }
    std::optional<T> await_resume()
    {
        finish("a task was asked to stop while it waited to receive from a channel");
        if (TANDEM_UNLIKELY(error_ != nullptr))
            std::rethrow_exception(std::move(error_));
        return std::move(value_);
    }

private:
    friend channel;

    bool enter() noexcept override
    {
        bool waits = false;
        detail::waiter_list woken;
        {
            const both_ends lock(channel_);
            try {
                if (channel_.receive_locked(value_, woken) == result::must_wait)
                    waits = join(channel_.receivers_);
                else
                    grant();
            }
            catch (...) {
                error_ = std::current_exception();
                grant();
            }
        }
        woken.resume_all();
        return waits;
    }
    bool withdraw() noexcept override
    {
        const both_ends lock(channel_);
        return take_out(channel_.receivers_);
    }

    channel& channel_;
    std::optional<T> value_;
    std::exception_ptr error_;
};

template <class T>
class [[nodiscard("co_await it")]] channel<T>::send_operation {
public:
    sender operator co_await() noexcept { return {channel_, value_}; }
    /// What was to be sent: still there when the send failed.
    [[nodiscard]] T& value() noexcept { return value_; }

private:
    friend channel;
    send_operation(channel& c, T&& v) noexcept(std::is_nothrow_move_constructible_v<T>) : channel_(c), value_(std::move(v)) {}

    channel& channel_;
    T value_;
};

template <class T>
class [[nodiscard("co_await it")]] channel<T>::receive_operation {
public:
    receiver operator co_await() const noexcept { return receiver(channel_); }

private:
    friend channel;
    explicit receive_operation(channel& c) noexcept : channel_(c) {}

    channel& channel_;
};

template <class T>
auto channel<T>::send(T value) noexcept(std::is_nothrow_move_constructible_v<T>) -> send_operation
{
    return {*this, std::move(value)};
}

template <class T>
auto channel<T>::receive() noexcept -> receive_operation
{
    return receive_operation(*this);
}

template <class T>
TANDEM_ALWAYS_INLINE auto channel<T>::send_now(T& value) -> result
{
    {
        const detail::spin_guard lock(buffer_.in_lock());
        if (TANDEM_LIKELY(receivers_.empty() && !closed_.load(std::memory_order_relaxed))) {
            if (!buffer_.has_room())
                return result::must_wait;
            buffer_.put(std::move(value));
            return result::done;
        }
    }
    return send_at_both_ends(value);
}

template <class T>
TANDEM_NOINLINE auto channel<T>::send_at_both_ends(T& value) -> result
{
    detail::waiter_list woken;
    const result r = [&] {
        const both_ends lock(*this);
        return send_locked(value, woken);
    }();
    woken.resume_all();
    return r;
}

template <class T>
auto channel<T>::send_locked(T& value, detail::waiter_list& woken) -> result
{
    if (closed_.load(std::memory_order_relaxed))
        return result::closed;
    if (!receivers_.empty()) {
        static_cast<receiver*>(receivers_.front())->value_.emplace(std::move(value));
        receivers_.grant_first(woken);
        return result::done;
    }
    if (!buffer_.has_room())
        return result::must_wait;
    buffer_.put(std::move(value));
    return result::done;
}

template <class T>
TANDEM_ALWAYS_INLINE auto channel<T>::receive_now(std::optional<T>& to) -> result
{
    {
        const detail::spin_guard lock(buffer_.out_lock());
        if (TANDEM_LIKELY(senders_.empty())) {
            if (TANDEM_LIKELY(buffer_.has_value())) {
                buffer_.take(to);
                return result::done;
            }
            // If it is being closed just now, the last value may have come in since we looked: then the locks of both ends tell.
            if (!closed_.load(std::memory_order_relaxed))
                return result::must_wait;
        }
    }
    return receive_at_both_ends(to);
}

template <class T>
TANDEM_NOINLINE auto channel<T>::receive_at_both_ends(std::optional<T>& to) -> result
{
    detail::waiter_list woken;
    const result r = [&] {
        const both_ends lock(*this);
        return receive_locked(to, woken);
    }();
    woken.resume_all();
    return r;
}

template <class T>
auto channel<T>::receive_locked(std::optional<T>& to, detail::waiter_list& woken) -> result
{
    if (buffer_.has_value()) {
        buffer_.take(to);
        refill(woken);
        return result::done;
    }
    if (!senders_.empty()) { // of capacity 0: from hand to hand
        to.emplace(std::move(static_cast<sender*>(senders_.front())->value_));
        senders_.grant_first(woken);
        return result::done;
    }
    return closed_.load(std::memory_order_relaxed) ? result::closed : result::must_wait;
}

// Lets in who waits, as far as there is room: it is full again, or nobody waits.
template <class T>
void channel<T>::refill(detail::waiter_list& woken) noexcept
{
    while (!senders_.empty() && buffer_.has_room()) {
        auto& s = *static_cast<sender*>(senders_.front());
        try {
            buffer_.put(std::move(s.value_));
        }
        catch (...) {
            s.error_ = std::current_exception(); // it is for the sender to know
        }
        senders_.grant_first(woken);
    }
}

template <class T>
void channel<T>::close() noexcept
{
    detail::waiter_list woken;
    {
        const both_ends lock(*this);
        // Release: pairs with is_closed(). From the second time on nobody waits any more.
        closed_.store(true, std::memory_order_release);
        receivers_.grant_all(woken); // without a value
        while (!senders_.empty()) {
            static_cast<sender*>(senders_.front())->refused_ = true;
            senders_.grant_first(woken);
        }
    }
    woken.resume_all();
}

} // namespace tandem
