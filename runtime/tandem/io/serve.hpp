#pragma once

#include <tandem/base/errc.hpp>
#include <tandem/combine/task_scope.hpp>
#include <tandem/combine/with_timeout.hpp>
#include <tandem/io/use_task.hpp>
#include <tandem/sync/event.hpp>
#include <tandem/sync/semaphore.hpp>
#include <tandem/sync/sleep.hpp>
#include <tandem/task/inherit.hpp>

#include <asio/error.hpp>
#include <asio/system_error.hpp>

#include <atomic>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <new>
#include <type_traits>
#include <utility>

namespace tandem {

/// What `serve` may be told.
struct serve_options {
    std::size_t max_connections = 10'000; ///< at once; when there are as many, the next waits in the kernel's queue. 1 and more
    std::chrono::nanoseconds drain{10'000'000'000}; ///< after a stop request: how long those that are open may go on
    /// Gets what a handler throws, and what the acceptor fails with; empty: the pool's `unhandled` hook, or stderr. A connection that is
    /// cancelled at the end of the drain time, and one that the peer reset, are no errors.
    std::function<void(std::exception_ptr)> on_error{};
};

/// How a `serve` stands; may be read from any thread.
struct serve_counters {
    std::atomic<std::size_t> open{0};
    std::atomic<std::uint64_t> accepted{0};
    std::atomic<std::uint64_t> failed{0};        ///< handlers that threw
    std::atomic<std::uint64_t> accept_errors{0}; ///< out of descriptors, as a rule
    std::atomic<std::uint64_t> cancelled{0};     ///< handlers that were still running when the drain time was over
};

namespace detail {

/// What serve knows besides its acceptor and handler.
class server {
public:
    server(serve_options o, serve_counters& c, context& home);

    /// A connection was accepted and is about to be handled.
    void begin() noexcept;
    /// It is over; `error` is what its handler threw, or null.
    void end(const std::exception_ptr& error) noexcept;
    /// What to do about an accept that failed: true to go on, after a pause when there is no use in trying at once.
    [[nodiscard]] task<bool> accept_failed(asio::error_code e, const std::exception_ptr& error);
    /// Waits for the open connections for the drain time; then `scope` is cancelled.
    [[nodiscard]] task<> drain(task_scope& scope);

    semaphore room;

private:
    void report(const std::exception_ptr& error) noexcept;

    serve_options options_;
    serve_counters& counters_;
    error_sink& sink_;
    event empty_;
    std::atomic<std::size_t> open_{0}; // the counters are for others to read, and may be of several servers together
    std::atomic<bool> draining_{false};
    std::atomic<bool> cancelled_{false};
    bool exhausted_ = false; // since the last accept; of the accepting task
};

/// A connection is over with this object at the latest: one that was accepted may be cancelled before its handler begins. Then the next
/// may come.
class open_connection {
public:
    open_connection(server& s, semaphore::permit p) noexcept : server_(&s), permit_(std::move(p)) { s.begin(); }
    open_connection(open_connection&& other) noexcept
        : server_(std::exchange(other.server_, nullptr)), permit_(std::move(other.permit_))
    {
    }
    open_connection& operator=(open_connection&&) = delete;
    ~open_connection() { end(nullptr); }
    void end(const std::exception_ptr& error) noexcept
    {
        if (server* const s = std::exchange(server_, nullptr)) {
            s->end(error);
            permit_.release();
        }
    }

private:
    server* server_;
    semaphore::permit permit_;
};

template <class Socket, class Handler>
task<> handle_connection(open_connection connection, Handler& handler, Socket socket)
{
    std::exception_ptr error;
    try {
        co_await handler(std::move(socket));
    }
    catch (...) {
        error = std::current_exception();
    }
    connection.end(error);
}

template <class Acceptor, class Handler>
task<> accept_loop(server& s, Acceptor& acceptor, Handler& handler, task_scope& connections)
{
    for (;;) {
        auto permit = co_await s.room.acquire_scoped();
        asio::error_code code;
        std::exception_ptr error;
        try {
            auto socket = co_await acceptor.async_accept(use_task);
            open_connection connection(s, std::move(permit));
            connections.spawn(handle_connection<decltype(socket), Handler>(std::move(connection), handler, std::move(socket)));
            continue;
        }
        catch (const operation_cancelled&) {
            throw; // which is a system_error too
        }
        catch (const asio::system_error& e) {
            code = e.code();
            error = std::current_exception();
        }
        catch (const std::bad_alloc&) { // the connection, if there was one, is closed
            code = asio::error::no_memory;
            error = std::current_exception();
        }
        if (!co_await s.accept_failed(code, error))
            co_return;
    }
}

/// What an acceptor gives.
template <class Acceptor>
using accepted_socket = await_result_t<decltype(std::declval<Acceptor&>().async_accept(use_task))>;

} // namespace detail

/// Accepts connections and runs `handler(socket)`, a coroutine, for each, concurrently, until the task is asked to stop. Then it accepts
/// no more, closes the acceptor, lets the open connections go on for the drain time, cancels the rest, and returns when all have ended.
///
/// Errors: what a handler throws ends its connection and nothing else, and goes to `options.on_error`. An accept that fails, for want of
/// descriptors or memory or because the peer has gone already, is tried again. Throws std::invalid_argument for max_connections = 0, and
/// asio::system_error when `acceptor` does not listen. Ends, as after a stop request, when somebody closes it.
/// Cancellation: a stop request is how it ends, and is no error. `acceptor`, of any stream protocol (TCP, Unix), and `handler` must outlive
/// it. Handlers run on the context of the awaiting task: on a pool, in parallel. The socket's executor is of the acceptor's type: what
/// accepts on an `asio::basic_socket_acceptor<tcp, asio::thread_pool::executor_type>` gets sockets of that.
///
///     co_await tandem::serve(acceptor, [](tcp::socket s) -> tandem::task<> { … }, {.max_connections = 1000});
template <class Acceptor, class Handler>
    requires requires(Handler& h, detail::accepted_socket<Acceptor> s) {
        { h(std::move(s)) } -> awaitable;
    }
[[nodiscard]] task<> serve(Acceptor& acceptor, Handler handler, serve_options options = {}, serve_counters* counters = nullptr)
{
    serve_counters own;
    environment& env = co_await this_task::current_environment();
    detail::server s(std::move(options), counters ? *counters : own, *env.ctx);
    const stop_token stop = env.stop.get_token();
    // The scope is shielded, so that the stop request ends the accepting only.
    auto connections = shielded(with_scope([&](task_scope& scope) -> task<> {
        auto accepting = with_stop_token(stop, detail::accept_loop(s, acceptor, handler, scope));
        try {
            co_await std::move(accepting);
        }
        catch (const operation_cancelled&) {
            // as it should be
        }
        asio::error_code ignored;
        acceptor.close(ignored); // so that who comes now is refused, and not left waiting
        co_await s.drain(scope);
    }));
    co_await std::move(connections);
}

} // namespace tandem
