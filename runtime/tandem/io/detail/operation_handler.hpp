// The completion handler with which an awaited operation of Asio's is begun, and what it leaves for the task.
#pragma once

#include <tandem/base/errc.hpp>
#include <tandem/io/detail/handler_allocator.hpp>
#include <tandem/io/detail/operation.hpp>

#include <asio/error.hpp>
#include <asio/error_code.hpp>
#include <asio/system_error.hpp>

#include <exception>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

namespace tandem::detail {

/// Nothing, the one value, or the tuple.
template <class... T>
auto unwrap(std::tuple<T...>&& t)
{
    if constexpr (sizeof...(T) == 1)
        return std::get<0>(std::move(t));
    else if constexpr (sizeof...(T) > 1)
        return std::move(t);
}

/// What awaiting gives, from what the handler got.
template <class... T>
auto take_result(std::tuple<T...>&& t, bool)
{
    return unwrap(std::move(t));
}
template <class... T>
auto take_result(std::tuple<asio::error_code, T...>&& t, bool stop_requested)
{
    if (const asio::error_code ec = std::get<0>(t)) {
        if (ec == asio::error::operation_aborted && stop_requested)
            throw operation_cancelled("an Asio operation was cancelled because its task was asked to stop");
        throw asio::system_error(ec);
    }
    return std::apply([](asio::error_code&, auto&... rest) { return unwrap(std::tuple<T...>(std::move(rest)...)); }, t);
}
template <class... T>
auto take_result(std::tuple<std::exception_ptr, T...>&& t, bool)
{
    if (std::get<0>(t))
        std::rethrow_exception(std::get<0>(std::move(t)));
    return std::apply([](std::exception_ptr&, auto&... rest) { return unwrap(std::tuple<T...>(std::move(rest)...)); }, t);
}

/// An operation with room for what its handler gets, and for what came out of moving it there.
template <class... Args>
struct operation_state : operation {
    using values = std::tuple<std::decay_t<Args>...>;
    static constexpr bool may_fail = !std::is_nothrow_constructible_v<values, Args...>;
    struct cannot_fail {};

    /// What the await gives.
    auto take()
    {
        if (was_abandoned())
            throw operation_cancelled("an Asio operation was cancelled because its execution context ended");
        if constexpr (may_fail)
            if (failure)
                std::rethrow_exception(std::move(failure));
        return take_result(std::move(*result), stop_requested());
    }

    std::optional<values> result;
    [[no_unique_address]] std::conditional_t<may_fail, std::exception_ptr, cannot_fail> failure{};
};

/// The completion handler: called once by Asio, or destroyed uncalled.
template <class... Args>
class operation_handler {
public:
    using executor_type = operation_executor<true>;
    using cancellation_slot_type = cancellation_place::slot;
    using allocator_type = handler_allocator<>;

    explicit operation_handler(operation_state<Args...>& s) noexcept : state_(&s) {}
    operation_handler(operation_handler&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
    operation_handler& operator=(operation_handler&&) = delete;
    ~operation_handler()
    {
        if (state_)
            state_->abandoned();
    }

    [[nodiscard]] executor_type get_executor() const noexcept { return executor_type(*state_); }
    [[nodiscard]] static constexpr allocator_type get_allocator() noexcept { return {}; }
    [[nodiscard]] cancellation_slot_type get_cancellation_slot() const noexcept { return state_->slot(); }

    void operator()(Args... args)
    {
        operation_state<Args...>* const s = std::exchange(state_, nullptr);
        if constexpr (operation_state<Args...>::may_fail) {
            try {
                s->result.emplace(std::move(args)...);
            }
            catch (...) {
                s->failure = std::current_exception(); // it is for the task to know
            }
        }
        else
            s->result.emplace(std::move(args)...);
        s->completed();
    }

private:
    operation_state<Args...>* state_;
};

} // namespace tandem::detail
