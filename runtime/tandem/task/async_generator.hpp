#pragma once

#include <tandem/task/task.hpp>

#include <concepts>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace tandem {

template <class T>
class async_generator;

namespace detail {

template <class T>
class async_generator_promise : public promise_base {
    struct yield_awaiter {
        static constexpr bool await_ready() noexcept { return false; }
        std::coroutine_handle<> await_suspend(std::coroutine_handle<async_generator_promise> h) const noexcept
        {
            return transfer(h.promise().continuation());
        }
        void await_resume() const noexcept {}
    };
    template <class U>
    struct converting_yield_awaiter : yield_awaiter {
        T value; // lives until the generator goes on
        template <class V>
        explicit converting_yield_awaiter(V&& v) : value(std::forward<V>(v))
        {
        }
        std::coroutine_handle<> await_suspend(std::coroutine_handle<async_generator_promise> h) noexcept
        {
            h.promise().value_ = std::addressof(value);
            return yield_awaiter::await_suspend(h);
        }
    };

public:
    async_generator<T> get_return_object() noexcept;

    /// What is yielded is moved to the consumer from where it is; it is not touched after that.
    yield_awaiter yield_value(T& v) noexcept
    {
        value_ = std::addressof(v);
        return {};
    }
    yield_awaiter yield_value(T&& v) noexcept
    {
        value_ = std::addressof(v);
        return {};
    }
    template <class U>
        requires(std::constructible_from<T, U> && !std::same_as<std::remove_cvref_t<U>, T>)
    auto yield_value(U&& u)
    {
        return converting_yield_awaiter<U>(std::forward<U>(u));
    }
    auto yield_value(const T& v)
        requires std::copy_constructible<T>
    {
        return converting_yield_awaiter<const T&>(v);
    }
    void return_void() noexcept {}

    T* value_ = nullptr;
};

} // namespace detail

/// A coroutine that gives values one by one, and may `co_await` in between: an asynchronous range.
///
/// Lazy: it runs only while somebody awaits `next`, on the consumer's context and under its stop token. `next` gives the next value, moved
/// out of what was yielded, or nullopt when the generator has returned; it rethrows what the generator threw, once, and gives nullopt
/// from then on. Thread safety: one consumer at a time. Lifetime: as a task's; dropped half way, the generator is destroyed where
/// it stands, with its locals; not while somebody awaits `next`. Cost: one frame; a step is a symmetric transfer there and back.
///
///     tandem::async_generator<std::string> lines(tcp::socket& s) { … co_yield line; … }
///     while (auto line = co_await g.next())
///         use(*line);
template <class T>
class [[nodiscard("a generator does nothing until you co_await its next()")]] async_generator {
    static_assert(
        std::is_object_v<T> && std::is_move_constructible_v<T>, "async_generator<T>: T must be a type of movable objects");

public:
    using promise_type = detail::async_generator_promise<T>;
    using value_type = T;

    async_generator() noexcept = default; ///< gives nothing
    async_generator(async_generator&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    async_generator& operator=(async_generator&& other) noexcept
    {
        async_generator moved(std::move(other));
        std::swap(handle_, moved.handle_);
        return *this;
    }
    ~async_generator()
    {
        if (handle_)
            handle_.destroy();
    }

    /// `co_await g.next()`: a std::optional<T>.
    [[nodiscard("co_await it")]] auto next() noexcept { return step{handle_}; }

private:
    friend promise_type;
    using handle = std::coroutine_handle<promise_type>;

    struct awaiter {
        handle generator;

        [[nodiscard]] bool await_ready() const noexcept { return !generator || generator.done(); }
        template <class Promise>
        std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> consumer) const noexcept
        {
            promise_type& p = generator.promise();
            p.continue_with(consumer);
            p.env_ = &detail::environment_of(consumer);
            p.value_ = nullptr;
            return transfer(generator);
        }
        std::optional<T> await_resume() const
        {
            if (!generator)
                return std::nullopt;
            promise_type& p = generator.promise();
            if (p.error_)
                std::rethrow_exception(std::exchange(p.error_, nullptr));
            T* const value = std::exchange(p.value_, nullptr);
            if (generator.done() || !value)
                return std::nullopt;
            return std::optional<T>(std::move(*value));
        }
    };
    struct step {
        awaiter operator co_await() const noexcept { return {generator}; }
        handle generator;
    };

    explicit async_generator(handle h) noexcept : handle_(h) {}

    handle handle_;
};

template <class T>
async_generator<T> detail::async_generator_promise<T>::get_return_object() noexcept
{
    return async_generator<T>(std::coroutine_handle<async_generator_promise>::from_promise(*this));
}

} // namespace tandem
