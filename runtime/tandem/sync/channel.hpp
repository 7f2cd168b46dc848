#pragma once

#include <tandem/sync/detail/channel_core.hpp>

#include <cstddef>
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
/// Cost: no allocation after the construction, but for blocks of values in an unbounded one; some ten nanoseconds for a send or
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
    explicit channel(std::size_t capacity) : core_(checked(capacity)) {}
    [[nodiscard]] static channel unbounded() { return channel(no_limit{}); }
    channel(const channel&) = delete;
    channel& operator=(const channel&) = delete;

    /// `co_await c.send(value)`: returns when the value is in the channel or with a receiver. The operation owns the value meanwhile;
    /// whoever wants it back after a failure names the operation: `auto s = c.send(std::move(v));`, `co_await s;`, `s.value()`.
    [[nodiscard("co_await it")]] send_operation send(T value) noexcept(std::is_nothrow_move_constructible_v<T>);
    /// Sends if it need not wait; false when the channel is full or closed, and then `value` is as it was.
    [[nodiscard]] bool try_send(T&& value) { return core_.send_now(value) == core::result::done; }
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
        static_cast<void>(core_.receive_now(value));
        return value;
    }

    /// Ends the channel. From the second time on it does nothing.
    void close() noexcept { core_.close(); }
    [[nodiscard]] bool is_closed() const noexcept { return core_.is_closed(); }

    /// How many values are inside just now; those that wait with their senders do not count.
    [[nodiscard]] std::size_t size() const noexcept { return core_.values().size(); }
    /// The largest size_t when unbounded.
    [[nodiscard]] std::size_t capacity() const noexcept { return core_.values().capacity(); }

private:
    using core = detail::channel_core<T>;

    struct no_limit {};
    explicit channel(no_limit) : core_(core::buffer::unbounded) {}
    static std::size_t checked(std::size_t capacity)
    {
        constexpr std::size_t most = static_cast<std::size_t>(-1) / 4 / sizeof(T);
        if (capacity > most)
            detail::throw_bad_channel_capacity(capacity, most);
        return capacity;
    }

    core core_;
};

// -----------------------------------------------------------------------------------------------

template <class T>
class [[nodiscard("co_await it")]] channel<T>::send_operation {
public:
    typename core::sender operator co_await() noexcept { return {core_, value_}; }
    /// What was to be sent: still there when the send failed.
    [[nodiscard]] T& value() noexcept { return value_; }

private:
    friend channel;
    send_operation(core& c, T&& v) noexcept(std::is_nothrow_move_constructible_v<T>) : core_(c), value_(std::move(v)) {}

    core& core_;
    T value_;
};

template <class T>
class [[nodiscard("co_await it")]] channel<T>::receive_operation {
public:
    typename core::receiver operator co_await() const noexcept { return typename core::receiver(core_); }

private:
    friend channel;
    explicit receive_operation(core& c) noexcept : core_(c) {}

    core& core_;
};

template <class T>
auto channel<T>::send(T value) noexcept(std::is_nothrow_move_constructible_v<T>) -> send_operation
{
    return {core_, std::move(value)};
}

template <class T>
auto channel<T>::receive() noexcept -> receive_operation
{
    return receive_operation(core_);
}

} // namespace tandem
