// What is behind a channel: the values, those who wait, and the locks of both ends.
#pragma once

#include <tandem/base/errc.hpp>
#include <tandem/sync/detail/channel_buffer.hpp>
#include <tandem/sync/detail/queued_waiter.hpp>

#include <atomic>
#include <cstddef>
#include <exception>
#include <optional>
#include <utility>

namespace tandem::detail {

template <class T>
class channel_core {
public:
    using buffer = channel_buffer<T>;
    enum class result : unsigned char { done, must_wait, closed };
    class sender;
    class receiver;

    explicit channel_core(std::size_t capacity) : buffer_(capacity) {}

    result send_now(T& value);
    result receive_now(std::optional<T>& to);
    void close() noexcept;
    [[nodiscard]] bool is_closed() const noexcept { return closed_.load(std::memory_order_acquire); } // pairs with close()
    [[nodiscard]] const buffer& values() const noexcept { return buffer_; }

private:
    class both_ends;
    class waiter;

    result send_at_both_ends(T& value);
    result send_locked(T& value, waiter_list& woken);
    result receive_at_both_ends(std::optional<T>& to);
    result receive_locked(std::optional<T>& to, waiter_list& woken);
    void refill(waiter_list& woken) noexcept;

    // All below is written under the locks of both ends, so whoever holds one may read it. While receivers wait the channel is empty;
    // while senders wait it is full; so never both.
    buffer buffer_;
    std::atomic<bool> closed_{false}; // atomic for those who hold none
    waiter_list senders_;
    waiter_list receivers_;
};

// -----------------------------------------------------------------------------------------------

/// The locks of both ends, always in this order.
template <class T>
class channel_core<T>::both_ends {
public:
    explicit both_ends(channel_core& c) noexcept : in_(c.buffer_.in_lock()), out_(c.buffer_.out_lock()) {}

private:
    spin_guard in_;
    spin_guard out_;
};

/// What waits at either end.
template <class T>
class channel_core<T>::waiter : public queued_waiter {
public:
    waiter(channel_core& c, waiter_list& queue) noexcept : channel_(c), queue_(queue) {}

protected:
    ~waiter() = default;
    /// In the destructors of the derived: until then the other end may write to their members.
    void leave() noexcept
    {
        if (this->still_waiting())
            static_cast<void>(this->abandon());
    }

    /// Once more, under the locks; then in the queue.
    template <class Attempt>
    bool attempt_or_join(Attempt attempt) noexcept
    {
        bool waits = false;
        waiter_list woken;
        {
            const both_ends lock(channel_);
            try {
                if (attempt(woken) == result::must_wait)
                    waits = join(queue_);
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
    bool withdraw() noexcept final
    {
        const both_ends lock(channel_);
        return take_out(queue_);
    }
    void finish_or_throw(const char* stopped)
    {
        finish(stopped);
        if (TANDEM_UNLIKELY(error_ != nullptr))
            std::rethrow_exception(std::move(error_));
    }

    channel_core& channel_;
    waiter_list& queue_;
    std::exception_ptr error_; // what the move of the value threw
};

template <class T>
class channel_core<T>::sender final : public waiter {
public:
    sender(channel_core& c, T& v) noexcept : waiter(c, c.senders_), value_(v) {}
    ~sender() { this->leave(); }

    [[nodiscard]] TANDEM_ALWAYS_INLINE bool await_ready()
    {
        const result r = this->channel_.send_now(value_);
        refused_ = r == result::closed;
        return r != result::must_wait;
    }
    TANDEM_ALWAYS_INLINE void await_resume()
    {
        this->finish_or_throw("a task was asked to stop while it waited to send to a channel");
        if (TANDEM_UNLIKELY(refused_))
            throw channel_closed("send");
    }

private:
    friend channel_core;

    bool enter() noexcept override
    {
        return this->attempt_or_join([this](waiter_list& woken) {
            const result r = this->channel_.send_locked(value_, woken);
            refused_ = r == result::closed;
            return r;
        });
    }
    [[nodiscard]] const char* waits_for() const noexcept override { return "channel send"; }

    T& value_; // in the send_operation, which lives longer
    bool refused_ = false;
};

template <class T>
class channel_core<T>::receiver final : public waiter {
public:
    explicit receiver(channel_core& c) noexcept : waiter(c, c.receivers_) {}
    ~receiver() { this->leave(); }

    [[nodiscard]] TANDEM_ALWAYS_INLINE bool await_ready() { return this->channel_.receive_now(value_) != result::must_wait; }
    TANDEM_ALWAYS_INLINE std::optional<T> await_resume()
    {
        this->finish_or_throw("a task was asked to stop while it waited to receive from a channel");
        // In parts, as it was written: GCC copies a small optional whole, and such a load waits for both stores.
        if (value_)
            return std::optional<T>(std::in_place, std::move(*value_));
        return std::nullopt;
    }

private:
    friend channel_core;

    bool enter() noexcept override
    {
        return this->attempt_or_join([this](waiter_list& woken) { return this->channel_.receive_locked(value_, woken); });
    }
    [[nodiscard]] const char* waits_for() const noexcept override { return "channel receive"; }

    std::optional<T> value_;
};

template <class T>
TANDEM_ALWAYS_INLINE auto channel_core<T>::send_now(T& value) -> result
{
    {
        const spin_guard lock(buffer_.in_lock());
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
TANDEM_NOINLINE auto channel_core<T>::send_at_both_ends(T& value) -> result
{
    waiter_list woken;
    const result r = [&] {
        const both_ends lock(*this);
        return send_locked(value, woken);
    }();
    woken.resume_all();
    return r;
}

template <class T>
auto channel_core<T>::send_locked(T& value, waiter_list& woken) -> result
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
TANDEM_ALWAYS_INLINE auto channel_core<T>::receive_now(std::optional<T>& to) -> result
{
    {
        const spin_guard lock(buffer_.out_lock());
        if (TANDEM_LIKELY(senders_.empty())) {
            if (TANDEM_LIKELY(buffer_.has_value_from_afar())) {
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
TANDEM_NOINLINE auto channel_core<T>::receive_at_both_ends(std::optional<T>& to) -> result
{
    waiter_list woken;
    const result r = [&] {
        const both_ends lock(*this);
        return receive_locked(to, woken);
    }();
    woken.resume_all();
    return r;
}

template <class T>
auto channel_core<T>::receive_locked(std::optional<T>& to, waiter_list& woken) -> result
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
void channel_core<T>::refill(waiter_list& woken) noexcept
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
void channel_core<T>::close() noexcept
{
    waiter_list woken;
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

} // namespace tandem::detail
