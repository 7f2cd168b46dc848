#pragma once

#include <tandem/base/deadline.hpp>
#include <tandem/base/errc.hpp>
#include <tandem/pool/detail/result_state.hpp>

#include <chrono>
#include <coroutine>
#include <type_traits>
#include <utility>

namespace tandem {

/// A handle on a call that is under way: Python's AsyncResult. Blocking code waits with `get`, a coroutine with `co_await`.
///
/// Move-only. Dropping it detaches: the call runs on, and an exception that nobody saw goes to the pool's `unhandled` hook.
/// Thread safety: one thread at a time; `cancel` from any thread. It may outlive the pool. After the value was taken (`get`,
/// `co_await`) the handle is still good for `ready` and `successful`; taking it again throws std::logic_error.
template <class R>
class async_result {
public:
    using value_type = R;

    async_result() noexcept = default; ///< no call; only valid() and assignment make sense
    async_result(async_result&& other) noexcept : state_(std::exchange(other.state_, nullptr)), taken_(other.taken_) {}
    async_result& operator=(async_result&& other) noexcept
    {
        async_result moved(std::move(other));
        std::swap(state_, moved.state_);
        std::swap(taken_, moved.taken_);
        return *this;
    }
    ~async_result()
    {
        if (state_)
            state_->release();
    }

    [[nodiscard]] bool valid() const noexcept { return state_ != nullptr; }

    /// The value, moved out, or throws what the call threw: operation_cancelled when it was cancelled or the pool terminated. Blocks
    /// until then; on a pool's worker other work goes on meanwhile. Throws would_deadlock on the one thread that would have to
    /// make the value.
    R get()
    {
        state().wait();
        return take();
    }
    /// As `get`, but throws timeout_error when nothing came within `d`; the call goes on and the handle stays good.
    template <class Rep, class Period>
    R get_for(std::chrono::duration<Rep, Period> d)
    {
        if (!wait_for(d))
            throw timeout_error("get_for: the call has not ended within the time given");
        return take();
    }

    /// Blocks until the call has ended, with a value or an error.
    void wait() const { state().wait(); }
    /// The same for at most `d`; whether it has ended.
    template <class Rep, class Period>
    [[nodiscard]] bool wait_for(std::chrono::duration<Rep, Period> d) const
    {
        return state().wait_until(
            std::chrono::duration_cast<std::chrono::nanoseconds>(deadline_after(d).time_since_epoch()).count());
    }

    /// Whether the call has ended.
    [[nodiscard]] bool ready() const { return state().ready.is_set(); }
    /// Whether it has ended with a value. Counts as looking at the error if there is one.
    [[nodiscard]] bool successful() const
    {
        if (!ready())
            return false;
        state_->mark_seen();
        return !state_->result.has_error();
    }

    /// Asks the call to stop: one that has not begun ends with operation_cancelled, a coroutine at its next wait; a plain function
    /// that runs already runs to its end. Returns at once.
    void cancel() const { state().env.stop.request_stop(); }

    /// `co_await r`: as `get`, suspending instead of blocking; the coroutine resumes on its own context. When the coroutine is asked to
    /// stop it throws operation_cancelled at once, and if the handle is a temporary the call is cancelled too.
    auto operator co_await() & { return awaiter{*this, false}; }
    auto operator co_await() && { return awaiter{*this, true}; }

    /// `co_await r.ended()`: waits until the call has ended, whatever the coroutine is asked; gives nothing, throws nothing.
    [[nodiscard]] auto ended() const { return state().ready.uninterrupted(); }

private:
    template <class T>
    friend async_result<T> make_async_result(detail::result_state<T>*) noexcept;

    struct awaiter : one_shot_event::awaiter {
        awaiter(async_result& r, bool o) : one_shot_event::awaiter(r.state().ready, true), result(r), owns(o) {}
        R await_resume()
        {
            try {
                one_shot_event::awaiter::await_resume();
            }
            catch (...) {
                if (owns)
                    result.cancel();
                throw;
            }
            return result.take();
        }
        async_result& result;
        bool owns;
    };

    explicit async_result(detail::result_state<R>* s) noexcept : state_(s) {}

    [[nodiscard]] detail::result_state<R>& state() const
    {
        if (!state_)
            throw std::logic_error("async_result: it has no call (default constructed or moved from)");
        return *state_;
    }

    R take()
    {
        if (std::exchange(taken_, true))
            throw std::logic_error("async_result: the value was taken already");
        state_->mark_seen();
        if constexpr (std::is_void_v<R> || std::is_reference_v<R>)
            return state_->result.value();
        else
            return std::move(state_->result).value();
    }

    detail::result_state<R>* state_ = nullptr;
    bool taken_ = false;
};

/// For implementers of pools: the handle that takes over one of the two references of a new state.
template <class R>
async_result<R> make_async_result(detail::result_state<R>* s) noexcept
{
    return async_result<R>(s);
}

} // namespace tandem
