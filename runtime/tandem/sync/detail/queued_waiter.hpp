// What every wait in this layer is made of: a coroutine that stands in a queue, and can be stopped there.
#pragma once

#include <tandem/base/errc.hpp> // for who catches operation_cancelled
#include <tandem/sync/detail/waiter_list.hpp>
#include <tandem/task/task.hpp>

#include <coroutine>
#include <optional>

namespace tandem::detail {

/// The base of the awaiters: the waiting coroutine as a node of a `waiter_list`, and as a job for its context. It lives in the frame
/// of that coroutine, so a wait allocates nothing.
///
/// How a wait goes. `suspend` first makes it possible to be stopped, then calls `enter`, which under the owner's lock takes what is
/// waited for, or sees that a stop came already, or queues the waiter. From then on another thread may resume and destroy it. Whoever
/// takes it out of the queue decides how the wait ends, `granted` or `cancelled`, under that same lock: so exactly one of them is
/// true. Nobody resumes it in place: it is posted to its context, after the lock is released, which is the last touch of both the
/// waiter and the owner. Thread safety: `stage_` and the links are guarded by the owner's lock.
class queued_waiter : public waiter_node {
public:
    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise> h) noexcept
    {
        return suspend(h, environment_of(h));
    }

protected:
    queued_waiter() noexcept : waiter_node(&resume_task) {}
    ~queued_waiter() = default; // the derived awaiter's destructor calls abandon() when still_waiting()

    /// Under the owner's lock: takes what is waited for and calls `grant`, or calls `join`. True: the coroutine stays suspended, and
    /// nothing of it may be touched any more.
    virtual bool enter() noexcept = 0;
    /// Under the owner's lock: `take_out`, and returns what that says.
    virtual bool withdraw() noexcept = 0;
    /// What the task waits for, in a word or two: for who looks for a deadlock.
    [[nodiscard]] virtual const char* waits_for() const noexcept = 0;

    /// Queues this in `l`; false, and not queued, when a stop was requested.
    [[nodiscard]] bool join(waiter_list& l) noexcept;
    /// Takes this out of `l`, cancelled; false when it does not stand there.
    [[nodiscard]] bool take_out(waiter_list& l) noexcept;

    /// In `await_resume`: ends the wait; throws operation_cancelled when that is how it ended. `text` says what the task was doing.
    void finish(const char* text)
    {
        if (stage_ != stage::outside)
            finish_wait(text);
    }
    /// In the destructor: true when the coroutine is being destroyed while it waits.
    [[nodiscard]] bool still_waiting() const noexcept { return stage_ != stage::outside; }
    /// Leaves the queue. True when it was granted what it will now never use.
    [[nodiscard]] bool abandon() noexcept;

private:
    struct on_stop {
        queued_waiter* self;
        void operator()() const noexcept { self->stop_requested(); }
    };

    struct kind;

    bool suspend(std::coroutine_handle<> h, environment& env) noexcept;
    void finish_wait(const char* text);
    void stop_requested() noexcept;
    static void resume_task(job* j) noexcept { tandem::resume(static_cast<queued_waiter*>(j)->handle_); }

    std::coroutine_handle<> handle_;
    std::optional<stop_callback<on_stop>> stop_callback_;
};

} // namespace tandem::detail
