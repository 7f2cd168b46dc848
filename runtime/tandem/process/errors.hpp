// The errors that only a process pool makes.
#pragma once

#include <tandem/base/errc.hpp>

#include <string>

namespace tandem {

/// The worker process ended while it ran a call: by a signal, by an exit, or killed for want of memory. Only that call is lost; the
/// pool has a new worker in its place. errc::worker_died.
class worker_died : public error {
public:
    /// `signal` is 0 when the process exited by itself, with `exit_code`. `task` says which call it was.
    worker_died(int pid, int signal, int exit_code, const std::string& task);
    worker_died(const worker_died&) = default;
    worker_died& operator=(const worker_died&) = default;
    ~worker_died() override;

    [[nodiscard]] int pid() const noexcept { return pid_; }
    [[nodiscard]] int signal() const noexcept { return signal_; }       ///< that killed it; 0: none, it exited
    [[nodiscard]] int exit_code() const noexcept { return exit_code_; } ///< if it exited

private:
    int pid_;
    int signal_;
    int exit_code_;
};

/// What a call threw in its worker, when its type is none that can cross: not exactly one of the standard library's exceptions or of
/// Tandem's. errc::remote_error.
class remote_error : public error {
public:
    /// `type` is the type's name as it is written, `text` what its what() said (empty for a type without one).
    remote_error(const std::string& type, const std::string& text);
    remote_error(const remote_error&) = default;
    remote_error& operator=(const remote_error&) = default;
    ~remote_error() override;

    [[nodiscard]] const char* type_name() const noexcept { return type_.what(); }
    [[nodiscard]] const char* text() const noexcept { return remote_text_.what(); } ///< what() in the worker

private:
    std::runtime_error type_; // strings whose copies cannot throw
    std::runtime_error remote_text_;
};

/// An argument or a result could not be encoded or decoded: its codec threw, or the bytes are not what it expects. errc::codec.
class codec_error : public error {
public:
    explicit codec_error(const std::string& text);
    codec_error(const codec_error&) = default;
    codec_error& operator=(const codec_error&) = default;
    ~codec_error() override;
};

} // namespace tandem
