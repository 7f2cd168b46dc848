#pragma once

namespace tandem {

/// The fork server: a small process with one thread, that forks the workers of all process pools of this program. So a worker never comes
/// from a process with threads, where a fork is as good as a deadlock, and starting one takes well under a millisecond.
///
///     int main()
///     {
///         tandem::process_server::start();
///         …
///
/// A worker sees the program's globals as they were when the server started. The server closes every descriptor but the standard
/// three (its standard input is /dev/null), resets signal handlers, and ends when its parent does, however that ends. It keeps one
/// spare worker forked ahead once there has been a pool.
class process_server {
public:
    process_server() = delete;

    /// Starts it, unless it runs. The first process_pool does the same by itself, as long as the program has but one thread.
    /// Errors: std::logic_error when the program already has other threads; std::system_error when the system gives no process.
    static void start();
    /// Whether it was started (in this process: a fork of the program begins without).
    [[nodiscard]] static bool running() noexcept;
};

} // namespace tandem
