// The errors that tandem itself makes: codes, their category, and the exceptions that carry them.
#pragma once

#include <exception>
#include <stdexcept>
#include <string>
#include <system_error>
#include <type_traits>

namespace tandem {

enum class errc {
    pool_closed = 1,     ///< work was given to a pool after close() or terminate()
    operation_cancelled, ///< equal to std::errc::operation_canceled
    timeout,             ///< equal to std::errc::timed_out
    would_deadlock,      ///< equal to std::errc::resource_deadlock_would_occur
    channel_closed,      ///< a value was sent to a channel after close(); equal to std::errc::broken_pipe
    worker_died,         ///< the process that ran the work has ended
    remote_error,        ///< the work threw, in another process, what cannot cross as it was thrown
    codec,               ///< a value could not be encoded or decoded on its way to or from another process
};

/// The category of every tandem::errc; its name is "tandem". Usable until the process ends, also
/// from the destructors of statics.
[[nodiscard]] const std::error_category& tandem_category() noexcept;

[[nodiscard]] inline std::error_code make_error_code(errc e) noexcept { return {static_cast<int>(e), tandem_category()}; }

/// The base of the exceptions that tandem throws. `catch (const tandem::error&)` or, with the
/// codes, `catch (const std::system_error& e) { if (e.code() == tandem::errc::timeout) … }`.
///
/// The text says what was being done. A text with ": " in it is taken as a whole sentence and is
/// what() as it stands; to any other text what() adds what was wrong:
///
///   timeout_error{"get_for"}.what()                                "get_for: the operation timed out"
///   pool_closed{"apply_async: the pool 'cpu' is closed"}.what()    itself
///   pool_closed{}.what()                                           "the pool is closed"
///
/// Copying never throws.
class error : public std::system_error {
public:
    explicit error(std::error_code code);
    error(std::error_code code, const std::string& text);

    error(const error&) = default;
    error& operator=(const error&) = default;
    ~error() override;

    [[nodiscard]] const char* what() const noexcept override;

private:
    // std::system_error appends the code's message to whatever it is told. A runtime_error is the
    // standard's string whose copies cannot throw.
    std::runtime_error text_;
};

/// Work was given to a pool that takes no more: it was closed or terminated. errc::pool_closed.
class pool_closed : public error {
public:
    pool_closed();
    explicit pool_closed(const char* text);
    explicit pool_closed(const std::string& text);
    pool_closed(const pool_closed&) = default;
    pool_closed& operator=(const pool_closed&) = default;
    ~pool_closed() override;
};

/// The work was cancelled before it had a result. errc::operation_cancelled.
class operation_cancelled : public error {
public:
    operation_cancelled();
    explicit operation_cancelled(const char* text);
    explicit operation_cancelled(const std::string& text);
    operation_cancelled(const operation_cancelled&) = default;
    operation_cancelled& operator=(const operation_cancelled&) = default;
    ~operation_cancelled() override;
};

/// The time allowed has passed. errc::timeout.
class timeout_error : public error {
public:
    timeout_error();
    explicit timeout_error(const char* text);
    explicit timeout_error(const std::string& text);
    timeout_error(const timeout_error&) = default;
    timeout_error& operator=(const timeout_error&) = default;
    ~timeout_error() override;
};

/// A blocking wait was refused, since the thread that would wait is the one that must do the work.
/// errc::would_deadlock.
class would_deadlock : public error {
public:
    would_deadlock();
    explicit would_deadlock(const char* text);
    explicit would_deadlock(const std::string& text);
    would_deadlock(const would_deadlock&) = default;
    would_deadlock& operator=(const would_deadlock&) = default;
    ~would_deadlock() override;
};

/// A value was sent to a channel that takes no more, or waited to be sent when the channel was closed. errc::channel_closed.
class channel_closed : public error {
public:
    channel_closed();
    explicit channel_closed(const char* text);
    explicit channel_closed(const std::string& text);
    channel_closed(const channel_closed&) = default;
    channel_closed& operator=(const channel_closed&) = default;
    ~channel_closed() override;
};

/// Whether what was thrown is an operation_cancelled.
[[nodiscard]] bool is_operation_cancelled(const std::exception_ptr& error) noexcept;

} // namespace tandem

template <>
struct std::is_error_code_enum<tandem::errc> : std::true_type {};
