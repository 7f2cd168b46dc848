#pragma once

#include <tandem/base/config.hpp>
#include <tandem/task/context.hpp>
#include <tandem/task/frame_memory.hpp>
#include <tandem/task/transfer.hpp>

#include <concepts>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <new>
#include <type_traits>
#include <utility>

namespace tandem {

template <class T = void>
class task;

/// Makes a foreign awaitable usable in a `task`: specialise with `static auto transform(A&&)` returning a task. The header
/// <tandem/io/awaitable.hpp> does so for asio::awaitable.
template <class A>
struct awaitable_adaptor;

/// Notified in place of a coroutine when a task ends: how roots and combinators learn of it. For implementers.
struct completion {
    /// Called as the task's very last step, on the thread that ran it, the frame being suspended; returns what to run next. `error` is
    /// what the task threw, or null, and lives in its frame.
    using function = std::coroutine_handle<>(completion*, const std::exception_ptr& error) noexcept;

    explicit completion(function* f) noexcept : done_(f) {}
    function* done_;
};

namespace detail {

template <class A>
concept adapted_awaitable = requires(A&& a) { awaitable_adaptor<std::remove_cvref_t<A>>::transform(static_cast<A&&>(a)); };

/// What `co_await` takes as it is: an awaiter, or what gives one.
template <class A>
concept plain_awaitable = requires(A&& a) { static_cast<A&&>(a).operator co_await(); } ||
                          requires(A&& a) { operator co_await(static_cast<A&&>(a)); } || requires(A&& a) { a.await_ready(); };

class promise_base {
    struct final_awaiter {
        static constexpr bool await_ready() noexcept { return false; }
        template <class Promise>
        std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> h) const noexcept
        {
            promise_base& p = h.promise();
            if (p.completion_)
                return transfer(p.completion_->done_(p.completion_, p.error_));
            return transfer(p.continuation_);
        }
        void await_resume() const noexcept {}
    };

public:
    static void* operator new(std::size_t size) { return frame_allocate(size); }
    static void operator delete(void* p, std::size_t size) noexcept { frame_free(p, size); }

    static constexpr std::suspend_always initial_suspend() noexcept { return {}; }
    static constexpr final_awaiter final_suspend() noexcept { return {}; }
    void unhandled_exception() noexcept { error_ = std::current_exception(); }

    template <class A>
    static constexpr A&& await_transform(A&& a) noexcept
    {
        constexpr bool as_rvalue = plain_awaitable<std::remove_cvref_t<A>>;
        static_assert(plain_awaitable<A> || as_rvalue, "this cannot be awaited in a task");
        static_assert(
            plain_awaitable<A> || !as_rvalue, "this can be awaited once only, and so as an rvalue: co_await std::move(x)");
        return static_cast<A&&>(a);
    }
    template <adapted_awaitable A>
    static auto await_transform(A&& a)
    {
        return awaitable_adaptor<std::remove_cvref_t<A>>::transform(static_cast<A&&>(a));
    }

    std::coroutine_handle<> continuation_;
    completion* completion_ = nullptr; // when set, takes the place of the continuation
    environment* env_ = nullptr;
    std::exception_ptr error_;
};

template <class T>
class task_promise : public promise_base {
public:
    task_promise() noexcept {}
    ~task_promise()
    {
        if constexpr (!std::is_trivially_destructible_v<T>)
            if (has_value_)
                value_.~T();
    }

    task<T> get_return_object() noexcept;

    template <class U = T> // the default is for co_return {…}
        requires std::constructible_from<T, U>
    void return_value(U&& v) noexcept(std::is_nothrow_constructible_v<T, U>)
    {
        ::new (static_cast<void*>(std::addressof(value_))) T(std::forward<U>(v));
        has_value_ = true;
    }

    T take()
    {
        if (error_)
            std::rethrow_exception(std::move(error_));
        return std::move(value_);
    }

private:
    union {
        T value_;
    };
    bool has_value_ = false;
};

template <class T>
class task_promise<T&> : public promise_base {
public:
    task<T&> get_return_object() noexcept;
    void return_value(T& v) noexcept { value_ = std::addressof(v); }
    T& take()
    {
        if (error_)
            std::rethrow_exception(std::move(error_));
        return *value_;
    }

private:
    T* value_ = nullptr;
};

template <>
class task_promise<void> : public promise_base {
public:
    task<void> get_return_object() noexcept;
    void return_void() noexcept {}
    void take()
    {
        if (error_)
            std::rethrow_exception(std::move(error_));
    }
};

/// The environment of the coroutine behind `h`: its own when it is a task, the detached one otherwise.
template <class Promise>
environment& environment_of(std::coroutine_handle<Promise> h) noexcept
{
    if constexpr (std::derived_from<Promise, promise_base>)
        return *h.promise().env_;
    else
        return detached_environment();
}

struct task_access;

} // namespace detail

/// A coroutine that computes a `T`, lazily: nothing runs until it is awaited or spawned. `T` may be an object, a reference or void.
///
/// Awaiting gives the value, moved out, or rethrows what the coroutine threw, as it was thrown. A task is awaited once (a second
/// time is a programming error and asserts) and inherits the context and the stop token of the task that awaits it.
/// Thread safety: a task belongs to one owner at a time. Lifetime: parameters taken by reference, and the captures of a lambda
/// coroutine, must outlive the task; pass by value what should travel with it.
/// Cost: one frame from recycled memory; nested awaits use symmetric transfer, constant stack and no atomic operation.
///
///     tandem::task<int> twice(int n) { co_return 2 * n; }
///     tandem::task<int> sum() { co_return co_await twice(1) + co_await twice(2); }
template <class T>
class [[nodiscard("a task does nothing until you co_await it or co_spawn it")]] task {
public:
    using promise_type = detail::task_promise<T>;
    using value_type = T;

    task() noexcept = default; ///< holds no coroutine
    task(task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    task& operator=(task&& other) noexcept
    {
        task(std::move(other)).swap(*this);
        return *this;
    }
    ~task()
    {
        if (handle_)
            handle_.destroy();
    }

    void swap(task& other) noexcept { std::swap(handle_, other.handle_); }
    [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(handle_); }

    auto operator co_await() && noexcept
    {
        TANDEM_ASSERT(handle_ && !handle_.promise().env_, "a task is awaited once");
        return awaiter{handle_};
    }

private:
    friend promise_type;
    friend detail::task_access;
    using handle = std::coroutine_handle<promise_type>;

    struct awaiter {
        handle child;

        static constexpr bool await_ready() noexcept { return false; }
        template <class Promise>
        std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> parent) const noexcept
        {
            child.promise().continuation_ = parent;
            child.promise().env_ = &detail::environment_of(parent);
            return transfer(child);
        }
        T await_resume() const { return child.promise().take(); }
    };

    explicit task(handle h) noexcept : handle_(h) {}

    handle handle_;
};

namespace detail {

template <class T>
task<T> task_promise<T>::get_return_object() noexcept
{
    return task<T>(std::coroutine_handle<task_promise>::from_promise(*this));
}
template <class T>
task<T&> task_promise<T&>::get_return_object() noexcept
{
    return task<T&>(std::coroutine_handle<task_promise>::from_promise(*this));
}
inline task<void> task_promise<void>::get_return_object() noexcept
{
    return task<void>(std::coroutine_handle<task_promise>::from_promise(*this));
}

/// How roots and combinators drive a task without awaiting it.
struct task_access {
    /// Makes `t` report to `c` when it ends; returns the handle to resume.
    template <class T>
    static std::coroutine_handle<> prepare(task<T>& t, environment& env, completion& c) noexcept
    {
        TANDEM_ASSERT(t.handle_ && !t.handle_.promise().env_, "a task is awaited once");
        t.handle_.promise().env_ = &env;
        t.handle_.promise().completion_ = &c;
        return t.handle_;
    }
    /// Makes `t` continue with `parent`, in an environment other than the parent's; returns the handle to resume.
    template <class T>
    static std::coroutine_handle<> prepare(task<T>& t, environment& env, std::coroutine_handle<> parent) noexcept
    {
        TANDEM_ASSERT(t.handle_ && !t.handle_.promise().env_, "a task is awaited once");
        t.handle_.promise().env_ = &env;
        t.handle_.promise().continuation_ = parent;
        return t.handle_;
    }
    /// Moves the value out of an ended task, or rethrows.
    template <class T>
    static T take(task<T>& t)
    {
        return t.handle_.promise().take();
    }
    /// What an ended task threw, or null.
    template <class T>
    static const std::exception_ptr& error(const task<T>& t) noexcept
    {
        return t.handle_.promise().error_;
    }
};

} // namespace detail

} // namespace tandem
