#pragma once

#include <tandem/io/detail/lookup.hpp>
#include <tandem/io/detail/operation_handler.hpp>
#include <tandem/io/executor.hpp>

#include <asio/async_result.hpp>

#include <concepts>
#include <coroutine>
#include <exception>
#include <tuple>
#include <type_traits>
#include <utility>

namespace tandem {

/// The completion token that makes any Asio operation awaitable in a task: `co_await socket.async_read_some(buffer, use_task)`.
///
/// Gives what the operation's handler would get: nothing, the one value, or a std::tuple of several; a leading error_code or
/// std::exception_ptr is thrown instead (asio::system_error, or as it was thrown). `asio::as_tuple(use_task)` gives error codes.
/// Cancellation: when the task is asked to stop the operation is cancelled, and the await throws operation_cancelled; safe from any
/// thread at any moment, composed operations included: everything that happens to an operation goes through a strand of its own.
/// A resolver's lookup cannot be cancelled, so it is left behind: the await ends at once, and the lookup, which uses nothing of the task's,
/// when it does. The task resumes on its own context, wherever the operation completed. If the operation's context is destroyed first the await
/// throws operation_cancelled. Lifetime: the buffers must outlive the await; a coroutine that is destroyed while it waits for an operation
/// ends the program. Cost: no allocation by Tandem, but for a lookup, and a handler that finds a stop request at work; Asio's own blocks
/// come from the memory of frames.
struct use_task_t {
    constexpr use_task_t() noexcept = default;

    /// An executor like `Inner` whose I/O objects use this token when none is given.
    template <class Inner>
    struct executor_with_default : Inner {
        using default_completion_token_type = use_task_t;
        executor_with_default(const Inner& ex) noexcept : Inner(ex) {} // NOLINT: implicit, as Asio's own
        template <class Other>
            requires(!std::same_as<Other, executor_with_default> && std::convertible_to<Other, Inner>)
        executor_with_default(const Other& ex) noexcept : Inner(ex) // NOLINT
        {
        }
    };
    /// The type of an I/O object that does so: `use_task_t::as_default_on_t<asio::ip::tcp::socket>`.
    template <class T>
    using as_default_on_t = typename T::template rebind_executor<executor_with_default<typename T::executor_type>>::other;
    /// Makes an I/O object one that does so.
    template <class T>
    static auto as_default_on(T&& object)
    {
        return as_default_on_t<std::decay_t<T>>(std::forward<T>(object));
    }
};
inline constexpr use_task_t use_task;

namespace detail {

/// What an Asio operation with `use_task` returns: starts when it is awaited.
template <class Initiation, class InitArgs, class... Args>
class [[nodiscard("the operation starts when you co_await it")]] asio_operation {
public:
    asio_operation(Initiation i, InitArgs&& a) : initiation_(std::move(i)), arguments_(std::move(a)) {}

    template <class Handler>
    void initiate(Handler&& h)
    {
        std::apply([&](auto&&... a) { std::move(initiation_)(std::forward<Handler>(h), std::move(a)...); }, std::move(arguments_));
    }

    struct awaiter {
        [[nodiscard]] static constexpr bool await_ready() noexcept { return false; }

        template <class Promise>
        TANDEM_ALWAYS_INLINE bool await_suspend(std::coroutine_handle<Promise> h)
        {
            return state.start(h, environment_of(h), [this] { owner.initiate(operation_handler<Args...>(state)); });
        }

        auto await_resume() { return state.take(); }

        asio_operation& owner;
        operation_state<Args...> state;
    };
    struct awaiter_of_lookup : lookup_awaiter<asio_operation, Args...> {
        using lookup_awaiter<asio_operation, Args...>::lookup_awaiter;
        auto await_resume() { return take_result(this->take(), false); }
    };

    auto operator co_await() && noexcept
    {
        if constexpr ((is_lookup_result<std::decay_t<Args>> || ...))
            return awaiter_of_lookup(*this);
        else
            return awaiter{*this, {}};
    }

private:
    Initiation initiation_;
    InitArgs arguments_;
};

} // namespace detail

} // namespace tandem

template <class R, class... Args>
class asio::async_result<tandem::use_task_t, R(Args...)> {
public:
    template <class Initiation, class... InitArgs>
    static auto initiate(Initiation&& initiation, tandem::use_task_t, InitArgs&&... args)
    {
        using arguments = std::tuple<std::decay_t<InitArgs>...>;
        return tandem::detail::asio_operation<std::decay_t<Initiation>, arguments, Args...>(
            std::forward<Initiation>(initiation), arguments(std::forward<InitArgs>(args)...));
    }
};
