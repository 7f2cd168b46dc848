#pragma once

#include <tandem/pool/detail/work.hpp>
#include <tandem/task/context.hpp>

#include <asio/async_result.hpp>

#include <exception>
#include <type_traits>
#include <utility>

namespace tandem::detail {

/// The sequel that completes an Asio handler; defined in <tandem/io/completion_token.hpp>, which a program that passes completion
/// tokens to a pool includes.
template <class Handler>
struct handler_sequel;

template <class R>
struct completion_signature {
    using type = void(std::exception_ptr, R);
};
template <>
struct completion_signature<void> {
    using type = void(std::exception_ptr);
};

/// Submits a call through `launcher` and completes an Asio completion token with what comes of it. The launcher is a value that keeps
/// alive what it needs: a lazy token (deferred, use_task) calls it later.
template <class Launcher, class Call, class Token>
auto launch_with_token(Launcher launcher, const char* verb, Call&& call, Token&& token)
{
    using signature = typename completion_signature<call_value_t<std::decay_t<Call>>>::type;
    static_assert(asio::completion_token_for<std::decay_t<Token>, signature>,
        "the last argument must be a callback that takes the result, or an Asio completion token for void(std::exception_ptr, R)");
    return asio::async_initiate<Token, signature>(
        [](auto handler, Launcher l, const char* v, std::decay_t<Call> c) {
            l.launch(v, std::move(c), handler_sequel<decltype(handler)>(std::move(handler), l));
        },
        token, std::move(launcher), verb, std::forward<Call>(call));
}

/// Launches on a pool.
template <class Pool>
struct pool_launcher {
    template <class Call, class Sequel>
    auto launch(const char* verb, Call&& c, Sequel&& s) const
    {
        return pool->launch(verb, std::forward<Call>(c), std::forward<Sequel>(s));
    }
    [[nodiscard]] context& run_context() const noexcept { return pool->run_context(); }
    Pool* pool;
};

} // namespace tandem::detail
