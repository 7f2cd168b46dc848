#pragma once

#include <tandem/base/config.hpp>
#include <tandem/task/context.hpp>
#include <tandem/task/frame_memory.hpp>
#include <tandem/task/transfer.hpp>
#include <tandem/trace/source_line.hpp>

#include <concepts>
#include <coroutine>
#include <cstddef>
#include <cstdint>
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
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): one that may never be notified; who begins the task sets done_ first
    completion() noexcept {}
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
            if (!p.notifies())
                return transfer(p.continuation());
            completion* const c = p.notified();
            return transfer(c->done_(c, p.error_));
        }
        void await_resume() const noexcept {}
    };

public:
    static void* operator new(std::size_t size) { return frame_allocate(size); }
    static void operator delete(void* p, std::size_t size) noexcept { frame_free(p, size); }

    std::suspend_always initial_suspend(const void* here = TANDEM_HERE) noexcept
    {
        stands_at_ = here;
        return {};
    }
    static constexpr final_awaiter final_suspend() noexcept { return {}; }
    TANDEM_NOINLINE void unhandled_exception() noexcept { error_ = std::current_exception(); } // no registers of the coroutine's

    template <class A>
    constexpr A&& await_transform(A&& a, const void* here = TANDEM_HERE) noexcept
    {
        constexpr bool as_rvalue = plain_awaitable<std::remove_cvref_t<A>>;
        static_assert(plain_awaitable<A> || as_rvalue, "this cannot be awaited in a task");
        static_assert(
            plain_awaitable<A> || !as_rvalue, "this can be awaited once only, and so as an rvalue: co_await std::move(x)");
        stands_at_ = here;
        return static_cast<A&&>(a);
    }
    template <adapted_awaitable A>
    auto await_transform(A&& a, const void* here = TANDEM_HERE)
    {
        stands_at_ = here;
        return awaitable_adaptor<std::remove_cvref_t<A>>::transform(static_cast<A&&>(a));
    }

    void continue_with(std::coroutine_handle<> h) noexcept { next_ = reinterpret_cast<std::uintptr_t>(h.address()); }
    void notify(completion& c) noexcept { next_ = reinterpret_cast<std::uintptr_t>(&c) + is_completion; }
    /// Whether at the end somebody is notified, and no coroutine continued.
    [[nodiscard]] bool notifies() const noexcept { return (next_ & is_completion) != 0; }
    [[nodiscard]] completion* notified() const noexcept { return reinterpret_cast<completion*>(next_ - is_completion); }
    [[nodiscard]] std::coroutine_handle<> continuation() const noexcept
    {
        return std::coroutine_handle<>::from_address(reinterpret_cast<void*>(next_));
    }
    /// The task behind `h`, which is one. Every promise lies at the same place in its frame, since none is aligned beyond it.
    [[nodiscard]] static promise_base& of(std::coroutine_handle<> h) noexcept
    {
        return std::coroutine_handle<promise_base>::from_address(h.address()).promise();
    }

    environment* env_ = nullptr;
    std::exception_ptr error_;
    const void* stands_at_; // a source_line: its last co_await, or where it begins

private:
    static constexpr std::uintptr_t is_completion = 1;

    std::uintptr_t next_; // what ends it: a coroutine, or a completion and the mark. Set before it is started
};

/// Room for a coroutine's value, and whether it is there to be destroyed.
template <class T>
struct value_place {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): the value comes later
    value_place() noexcept {}
    ~value_place()
    {
        if (has_value)
            value.~T();
    }
    value_place(const value_place&) = delete;
    value_place& operator=(const value_place&) = delete;

    void filled() noexcept { has_value = true; }
    union {
        T value;
    };
    bool has_value = false;
};
template <class T>
    requires std::is_trivially_destructible_v<T>
struct value_place<T> {
    value_place() noexcept {}
    void filled() noexcept {}
    union {
        T value;
    };
};

/// What a frame is aligned to, and so all in it.
inline constexpr std::size_t frame_alignment = __STDCPP_DEFAULT_NEW_ALIGNMENT__;

template <class T>
class task_promise : public promise_base {
    static_assert(alignof(T) <= frame_alignment, "task<T>: T is aligned beyond what a coroutine's frame is");

public:
    task<T> get_return_object() noexcept;

    template <class U = T> // the default is for co_return {…}
        requires std::constructible_from<T, U>
    void return_value(U&& v) noexcept(std::is_nothrow_constructible_v<T, U>)
    {
        ::new (static_cast<void*>(std::addressof(place_.value))) T(std::forward<U>(v));
        place_.filled();
    }

    T take()
    {
        if (TANDEM_UNLIKELY(static_cast<bool>(error_)))
            std::rethrow_exception(std::move(error_));
        return take_unchecked();
    }
    T take_unchecked() noexcept(std::is_nothrow_move_constructible_v<T>) { return std::move(place_.value); }

private:
    value_place<T> place_;
};

template <class T>
class task_promise<T&> : public promise_base {
public:
    task<T&> get_return_object() noexcept;
    void return_value(T& v) noexcept { value_ = std::addressof(v); }
    T& take()
    {
        if (TANDEM_UNLIKELY(static_cast<bool>(error_)))
            std::rethrow_exception(std::move(error_));
        return *value_;
    }
    T& take_unchecked() noexcept { return *value_; }

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

/// The handle, loaded by an instruction of its own. Clang would move two tasks with one vector load, and as they were written just
/// before, one by one, the processor could not forward the stores: a stall of some ten cycles, the dearest step of a fork.
template <class Promise>
TANDEM_ALWAYS_INLINE std::coroutine_handle<Promise> load_alone(const std::coroutine_handle<Promise>& h) noexcept
{
    void* p = h.address();
#if defined(__GNUC__)
    __asm__("" : "+r"(p));
#endif
    return std::coroutine_handle<Promise>::from_address(p);
}

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
class [[nodiscard("a task does nothing until you co_await it or co_spawn it")]] TANDEM_TRIVIAL_ABI task {
public:
    using promise_type = detail::task_promise<T>;
    using value_type = T;

    task() noexcept = default; ///< holds no coroutine
    task(task&& other) noexcept : handle_(detail::load_alone(other.handle_)) { other.handle_ = nullptr; }
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
            child.promise().continue_with(parent);
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
        prepare(t.handle_, env).notify(c);
        return t.handle_;
    }
    /// Makes `t` continue with `parent`, in an environment other than the parent's; returns the handle to resume.
    template <class T>
    static std::coroutine_handle<> prepare(task<T>& t, environment& env, std::coroutine_handle<> parent) noexcept
    {
        prepare(t.handle_, env).continue_with(parent);
        return t.handle_;
    }
    /// The common part, of the task behind `h`; for one who says next what it is to do at its end.
    static promise_base& prepare(std::coroutine_handle<> h, environment& env) noexcept
    {
        TANDEM_ASSERT(h && !promise_base::of(h).env_, "a task is awaited once");
        promise_base& p = promise_base::of(h);
        p.env_ = &env;
        return p;
    }
    /// A task as it is passed between the library and a program that may be built by another compiler: see TANDEM_TRIVIAL_ABI.
    template <class T>
    static std::coroutine_handle<task_promise<T>> release(task<T> t) noexcept
    {
        return std::exchange(t.handle_, nullptr);
    }
    template <class T>
    static task<T> adopt(std::coroutine_handle<task_promise<T>> h) noexcept
    {
        return task<T>(h);
    }
    template <class T>
    static std::coroutine_handle<> handle(const task<T>& t) noexcept
    {
        return t.handle_;
    }
    /// Makes all of them empty, which none is: one after another, and without a call between that might have changed an empty one.
    template <class... T>
    TANDEM_ALWAYS_INLINE static void destroy(task<T>&... t) noexcept
    {
        (t.handle_.destroy(), ...);
        ((t.handle_ = nullptr), ...);
    }
    /// Whether `t` is a task that somebody has begun to await.
    template <class T>
    static bool is_awaited(const task<T>& t) noexcept
    {
        return t.handle_ && t.handle_.promise().env_ != nullptr;
    }
    /// Moves the value out of an ended task, or rethrows.
    template <class T>
    static T take(task<T>& t)
    {
        return t.handle_.promise().take();
    }
    /// The same of a task that is known not to have failed, and gives something.
    template <class T>
    static T take_unchecked(task<T>& t)
    {
        return t.handle_.promise().take_unchecked();
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
