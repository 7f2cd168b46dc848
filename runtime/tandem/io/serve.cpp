#include <tandem/base/errc.hpp>
#include <tandem/io/serve.hpp>

#include <asio/system_error.hpp>

#include <stdexcept>
#include <string>

namespace tandem::detail {

namespace {

// Between attempts when the process or the machine has run out of something.
constexpr std::chrono::milliseconds pause_when_exhausted{50};

serve_options checked(serve_options o)
{
    if (o.max_connections == 0 || o.max_connections > static_cast<std::size_t>(semaphore::max()))
        throw std::invalid_argument(
            "serve: max_connections must be at least 1, not " + std::to_string(static_cast<std::ptrdiff_t>(o.max_connections)));
    return o;
}

/// The peer has gone: nobody's fault, and nobody's interest.
bool peer_left(const std::exception_ptr& error) noexcept
{
    try {
        std::rethrow_exception(error);
    }
    catch (const asio::system_error& e) {
        return e.code() == asio::error::eof || e.code() == asio::error::connection_reset || e.code() == asio::error::broken_pipe;
    }
    catch (...) {
        return false;
    }
}

} // namespace

server::server(serve_options o, serve_counters& c, context& home)
    : room(static_cast<std::ptrdiff_t>(checked(o).max_connections)), options_(std::move(o)), counters_(c), sink_(home.unhandled())
{
}

void server::begin() noexcept
{
    counters_.accepted.fetch_add(1, std::memory_order_relaxed);
    counters_.open.fetch_add(1, std::memory_order_relaxed);
    open_.fetch_add(1, std::memory_order_relaxed);
    exhausted_ = false;
}

void server::end(const std::exception_ptr& error) noexcept
{
    if (error) {
        if (is_operation_cancelled(error) && cancelled_.load(std::memory_order_relaxed))
            counters_.cancelled.fetch_add(1, std::memory_order_relaxed);
        else if (!peer_left(error)) {
            counters_.failed.fetch_add(1, std::memory_order_relaxed);
            report(error);
        }
    }
    counters_.open.fetch_sub(1, std::memory_order_relaxed);
    // seq_cst, here and in drain(): either it sees that nobody is left, or we see that it waits.
    if (open_.fetch_sub(1, std::memory_order_seq_cst) == 1 && draining_.load(std::memory_order_seq_cst))
        empty_.set();
}

void server::report(const std::exception_ptr& error) noexcept
{
    if (!options_.on_error) {
        sink_.report(error);
        return;
    }
    try {
        options_.on_error(error);
    }
    catch (...) {
        sink_.report(std::current_exception());
    }
}

task<bool> server::accept_failed(asio::error_code e, const std::exception_ptr& error)
{
    if (e == asio::error::bad_descriptor || e == asio::error::operation_aborted)
        co_return false; // the acceptor was closed
    if (e == asio::error::invalid_argument)
        std::rethrow_exception(error); // it does not listen: to end without a word would look like a stop
    counters_.accept_errors.fetch_add(1, std::memory_order_relaxed);
    if (e == asio::error::connection_aborted || e == asio::error::connection_reset || e == asio::error::interrupted)
        co_return true; // that one has gone; the next please
    if (!std::exchange(exhausted_, true))
        report(error); // once, not twenty times a second
    co_await sleep_for(pause_when_exhausted);
    co_return true;
}

task<> server::drain(task_scope& scope)
{
    draining_.store(true, std::memory_order_seq_cst);
    if (open_.load(std::memory_order_seq_cst) == 0)
        co_return;
    bool over = false;
    try {
        auto ended = with_timeout(empty_.wait(), options_.drain);
        co_await std::move(ended);
    }
    catch (const timeout_error&) {
        over = true;
    }
    if (over) {
        cancelled_.store(true, std::memory_order_relaxed);
        scope.cancel();
    }
}

} // namespace tandem::detail
