#pragma once

#include <tandem/base/errc.hpp>
#include <tandem/io/detail/cancellation_place.hpp>
#include <tandem/task/task.hpp>
#include <tandem/task/thread_state.hpp>
#include <tandem/task/waiting.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/execution.hpp>
#include <asio/execution_context.hpp>
#include <asio/post.hpp>

#include <atomic>
#include <coroutine>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

namespace tandem::detail {

/// One awaited Asio operation: a strand of its own, the way to stop it, and the coroutine that waits.
///
/// Asio asks that a cancellation signal is not emitted while a handler of the same operation runs. So everything that happens to the
/// operation goes through here, one thing at a time: its initiation, its intermediate handlers, the emission, its completion. What
/// comes while the strand is taken is left with whoever has it; nobody waits. The coroutine is resumed as the very last thing.
class operation : job {
public:
    /// Who is in the strand, and so what may be done at its end: in a handler the coroutine may be resumed in place; in a stop callback, or
    /// where a context goes, which may be another than the coroutine's, it must be posted.
    enum class caller { handler, other };

    operation() noexcept : job(&resume_task) {}
    operation(const operation&) = delete;
    operation& operator=(const operation&) = delete;
    ~operation()
    {
        if (TANDEM_UNLIKELY(stop_callback_.has_value()))
            destroyed_in_its_wait();
        has_waited(*this);
    }

    /// Runs `initiate()` in the strand; false when the operation has completed by its end, so that there is nothing to wait for.
    template <class Initiate>
    TANDEM_ALWAYS_INLINE bool start(std::coroutine_handle<> h, environment& env, Initiate initiate)
    {
        handle_ = h;
        context_ = env.ctx;
        token_ = env.stop.get_token();
        begins_to_wait(*env.ctx, *this);
        runner_.store(this_thread(), std::memory_order_relaxed);
        stop_callback_.emplace(token_, on_stop{this}); // when stop was requested already, the emission waits in the strand
        try {
            initiate();
        }
        catch (...) {
            end_wait();
            throw;
        }
        return leave_quickly() || !ends_in_initiation();
    }

    /// Runs `f`, an intermediate handler, in the strand: here and now, or on the thread that is in it.
    template <class F>
    void execute(F&& f)
    {
        if (!enter_or_leave_behind(f))
            return;
        // An exception out of a handler passes through, as it would without a strand; the operation is not complete then.
        struct leaving {
            ~leaving() { self->leave(caller::handler); }
            operation* self;
        } const scope{this};
        std::forward<F>(f)();
    }

    /// By the completion handler. It should come through its associated executor, and so be in the strand; an operation that calls it
    /// from anywhere else is forgiven.
    void completed() noexcept
    {
        if (TANDEM_LIKELY(runner_.load(std::memory_order_relaxed) == this_thread()))
            completed_ = true;
        else
            act(to_complete, caller::handler);
    }
    /// By a handler that Asio destroyed uncalled, because the context goes.
    void abandoned() noexcept;

    [[nodiscard]] cancellation_place::slot slot() noexcept { return cancellation_place::slot(cancel_); }
    [[nodiscard]] asio::any_io_executor underlying_executor() const;
    [[nodiscard]] bool was_abandoned() const noexcept { return abandoned_; }
    [[nodiscard]] bool stop_requested() const noexcept { return token_.stop_requested(); }

private:
    struct kind;
    struct on_stop {
        operation* self;
        void operator()() const noexcept { self->act(to_emit, caller::other); }
    };
    struct alignas(16) pending {
        virtual void run() = 0;
        virtual ~pending() = default;
        pending* next = nullptr;
    };
    template <class F>
    struct pending_function final : pending {
        explicit pending_function(F g) : f(std::move(g)) {}
        void run() override { std::move(f)(); }
        F f;
    };

    static void resume_task(job* j) noexcept { tandem::resume(static_cast<operation*>(j)->handle_); }

    // What may be to do in the strand besides handlers. Marks, so that it needs no memory: a stop request must not fail.
    static constexpr unsigned to_emit = 1;
    static constexpr unsigned to_complete = 2;
    static constexpr unsigned to_abandon = 4;

    // The strand's state: whether somebody is in it, the marks above, and the handlers that were left behind, newest first.
    using word = std::uintptr_t;
    static constexpr word taken = 8;
    static constexpr word bits = 15; // what an address of a `pending` leaves free

    template <class F>
    bool enter_or_leave_behind(F& f)
    {
        // Acquire: sees what was done in the strand before. Pairs with the release in run_pending().
        if ((state_.fetch_or(taken, std::memory_order_acquire) & taken) == 0) {
            runner_.store(this_thread(), std::memory_order_relaxed);
            return true;
        }
        leave_behind(*new pending_function<std::remove_cvref_t<F>>(std::move(f)));
        return false;
    }
    void leave_behind(pending& node);
    void act(unsigned what, caller from) noexcept;
    void act_in_strand(word what);
    /// True when the strand was left: nothing had come, and the operation has not completed.
    bool leave_quickly() noexcept
    {
        if (completed_ || left_ != nullptr)
            return false;
        word s = taken;
        runner_.store(nullptr, std::memory_order_relaxed);
        // Release: the next in the strand sees what was done in it. Once it is free another thread may complete the operation, and the
        // coroutine destroy it: no touch after this.
        if (TANDEM_LIKELY(state_.compare_exchange_strong(s, 0, std::memory_order_release, std::memory_order_relaxed)))
            return true;
        runner_.store(this_thread(), std::memory_order_relaxed);
        return false;
    }
    bool run_pending();
    void leave(caller from);
    bool ends_in_initiation();
    void end_wait() noexcept;
    static void drop(pending* first) noexcept;
    [[noreturn]] static void destroyed_in_its_wait() noexcept;
    static const void* this_thread() noexcept { return &detail::this_thread(); }

    std::coroutine_handle<> handle_;
    context* context_ = nullptr;
    stop_token token_;
    cancellation_place cancel_;
    std::optional<stop_callback<on_stop>> stop_callback_;
    pending* left_ = nullptr;                  // taken out of state_, and not run yet, in the order of coming; in the strand
    std::atomic<const void*> runner_{nullptr}; // the thread in the strand; compared only by that thread with itself
    std::atomic<word> state_{taken};           // the strand begins taken, by the initiation
    bool completed_ = false;                   // in the strand
    bool abandoned_ = false;
};

/// The associated executor of the operation's handlers: its strand.
template <bool Blocking>
class operation_executor {
public:
    explicit operation_executor(operation& o) noexcept : operation_(&o) {}

    template <class F>
    void execute(F&& f) const
    {
        if constexpr (Blocking)
            operation_->execute(std::decay_t<F>(std::forward<F>(f)));
        else
            asio::post(operation_->underlying_executor(),
                [o = operation_, g = std::decay_t<F>(std::forward<F>(f))]() mutable { o->execute(std::move(g)); });
    }

    asio::execution_context& query(asio::execution::context_t) const
    {
        return asio::query(operation_->underlying_executor(), asio::execution::context);
    }
    static constexpr auto query(asio::execution::blocking_t) noexcept
    {
        if constexpr (Blocking)
            return asio::execution::blocking_t(asio::execution::blocking.possibly);
        else
            return asio::execution::blocking_t(asio::execution::blocking.never);
    }
    [[nodiscard]] operation_executor<false> require(asio::execution::blocking_t::never_t) const noexcept
    {
        return operation_executor<false>(*operation_);
    }
    [[nodiscard]] operation_executor<true> require(asio::execution::blocking_t::possibly_t) const noexcept
    {
        return operation_executor<true>(*operation_);
    }

    friend bool operator==(const operation_executor&, const operation_executor&) noexcept = default;

private:
    operation* operation_;
};

} // namespace tandem::detail
