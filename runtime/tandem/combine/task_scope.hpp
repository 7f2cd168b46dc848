#pragma once

#include <tandem/sync/detail/spin_lock.hpp>
#include <tandem/task/awaitable.hpp>
#include <tandem/task/step_record.hpp>

#include <atomic>
#include <concepts>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

namespace tandem {

namespace detail {

template <class F>
class scoped;
class scope_wait;

template <class X>
concept scope_spawnable =
    awaitable<std::decay_t<X>> || (std::invocable<std::decay_t<X>&> && awaitable<std::invoke_result_t<std::decay_t<X>&>>);

} // namespace detail

/// Tasks that are started one by one and end together: what `with_scope` hands to its body. Python's TaskGroup, Trio's nursery.
///
/// Thread safety: `spawn`, `cancel` and `get_token` from any thread, as long as the body or a task of the scope has not ended.
class task_scope {
public:
    task_scope(const task_scope&) = delete;
    task_scope& operator=(const task_scope&) = delete;

    /// Starts `x`, a task or another awaitable, or a function that returns one and is kept until it has ended (so a lambda coroutine may use
    /// its captures). Its value is dropped; what it throws stops the scope. Once the scope was asked to stop, nothing is
    /// started any more. Cost: one block of recycled memory.
    template <detail::scope_spawnable X>
    void spawn(X&& x);

    /// Asks the body and all tasks of the scope to stop. The operation_cancelled that its tasks then end with is no error.
    void cancel() noexcept
    {
        cancelled_.store(true, std::memory_order_relaxed);
        env_.stop.request_stop();
    }
    [[nodiscard]] stop_token get_token() const noexcept { return env_.stop.get_token(); }
    /// How many tasks there are that have not ended, not counting the body: a moment's view.
    [[nodiscard]] std::size_t size() const noexcept
    {
        const std::size_t n = pending_.load(std::memory_order_relaxed);
        return n > 0 ? n - 1 : 0;
    }

private:
    template <class F>
    friend class detail::scoped;
    friend detail::scope_wait;

    struct kinds;

    struct child : job, completion {
        explicit child(task_scope& s) noexcept : job(&run), completion(&ended), scope(s) {}
        virtual ~child() = default;
        /// Makes the task; gives what to resume.
        virtual std::coroutine_handle<> begin() = 0;
        static void run(job* j) noexcept;
        static std::coroutine_handle<> ended(completion* c, const std::exception_ptr& error) noexcept;
        static void* operator new(std::size_t size) { return frame_allocate(size); }
        static void operator delete(void* p, std::size_t size) noexcept { frame_free(p, size); }
        task_scope& scope;
        child* next = nullptr; // in the list of the scope
        child* previous = nullptr;
    };
    template <class X>
    struct child_of;

    task_scope(environment& parent, std::coroutine_handle<> h) noexcept
        : env_(parent), parent_stop_(parent.stop.get_token()), parent_(h)
    {
    }

    void start(child& c) noexcept;
    void remove(child& c) noexcept;
    /// The awaiting task was destroyed in its wait.
    void destroy_children() noexcept;
    void child_failed(const std::exception_ptr& error) noexcept;
    void failed(const std::exception_ptr& error) noexcept;
    /// When the body or a task has ended: what to run next.
    std::coroutine_handle<> arrive() noexcept
    {
        // acq_rel: whoever is last sees what the others did, and they are done with the scope
        return pending_.fetch_sub(1, std::memory_order_acq_rel) == 1 ? parent_ : std::noop_coroutine();
    }

    detail::spin_lock children_lock_;
    child* children_ = nullptr;
    environment env_;
    const stop_token parent_stop_;
    const std::coroutine_handle<> parent_;
    std::atomic<std::size_t> pending_{1}; // the body
    std::atomic<bool> cancelled_{false};
    std::atomic<bool> failed_{false};
    std::exception_ptr error_; // of the first that failed, before it arrives
};

/// Runs `body(scope)`, a coroutine, and gives what it returns when it and all that it spawned have ended.
///
/// Errors: the first exception, of the body or of a task, asks all the others to stop, and is rethrown as it was thrown when they have
/// ended; later ones go to the observer. Cancellation: a stop request of the awaiting task reaches all. `body` is kept until
/// the end, so a lambda coroutine may use its captures.
///
///     co_await tandem::with_scope([&](tandem::task_scope& scope) -> tandem::task<> {
///         for (;;)
///             scope.spawn(serve(co_await listener.async_accept(tandem::use_task)));
///     });
template <class Body>
    requires(std::invocable<Body&, task_scope&> && awaitable<std::invoke_result_t<Body&, task_scope&>>)
[[nodiscard("co_await it, or co_spawn it")]] auto with_scope(Body body)
{
    return detail::scoped<Body>(std::move(body));
}

// -----------------------------------------------------------------------------------------------

template <class X>
struct task_scope::child_of final : child {
    static constexpr bool is_function = !awaitable<X>;

    template <class Y>
    child_of(task_scope& s, Y&& y) : child(s), x(std::forward<Y>(y))
    {
    }

    static auto make_task(X& y)
    {
        if constexpr (is_function)
            return as_task(y());
        else
            return as_task(std::move(y));
    }

    std::coroutine_handle<> begin() override
    {
        return detail::task_access::prepare(t.emplace(make_task(x)), this->scope.env_, *this);
    }

    X x;
    std::optional<decltype(make_task(std::declval<X&>()))> t;
};

template <detail::scope_spawnable X>
void task_scope::spawn(X&& x)
{
    start(*new child_of<std::decay_t<X>>(*this, std::forward<X>(x)));
}

namespace detail {

/// The awaiter's part that is the same for all bodies.
class scope_wait : protected completion {
protected:
    scope_wait() noexcept : completion(&body_ended) {}
    ~scope_wait() = default;

    /// The body, or the lack of one, is over; what to run next.
    static std::coroutine_handle<> body_ended(completion* c, const std::exception_ptr& error) noexcept;

    std::optional<task_scope> scope_;

private:
    friend task_scope;
};

template <class Body>
class [[nodiscard("co_await it, or co_spawn it")]] scoped {
    using body_task = task_for<std::invoke_result_t<Body&, task_scope&>>;

public:
    explicit scoped(Body&& b) : body_(std::move(b)) {}

    class awaiter : scope_wait {
    public:
        explicit awaiter(Body& b) noexcept : body_(b) {}
        ~awaiter()
        {
            if (!waiting_)
                return;
            task_.reset(); // destroyed in its wait: before the scope
            scope_->destroy_children();
        }
        [[nodiscard]] static constexpr bool await_ready() noexcept { return false; }

        template <class Promise>
        std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> h) noexcept
        {
            struct start {
                operator task_scope() const noexcept { return task_scope(env, h); } // in place: a scope does not move
                environment& env;
                std::coroutine_handle<> h;
            };
            task_scope& s = scope_.emplace(start{environment_of(h), h});
            waiting_ = true;
            try {
                task_.emplace(as_task(body_(s)));
            }
            catch (...) {
                // A function that is no coroutine may have spawned before it threw.
                return transfer(body_ended(this, std::current_exception()));
            }
            const std::coroutine_handle<> body = task_access::prepare(*task_, s.env_, *this);
            now_runs(body);
            return transfer(body);
        }

        decltype(auto) await_resume()
        {
            waiting_ = false;
            if (scope_->error_)
                std::rethrow_exception(scope_->error_);
            return task_access::take(*task_);
        }

    private:
        Body& body_;
        std::optional<body_task> task_;
        bool waiting_ = false;
    };
    awaiter operator co_await() && noexcept { return awaiter(body_); }

private:
    Body body_;
};

} // namespace detail

} // namespace tandem
