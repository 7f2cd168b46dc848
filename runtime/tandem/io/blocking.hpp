#pragma once

#include <tandem/base/outcome.hpp>
#include <tandem/cancel/stop_token.hpp>
#include <tandem/task/task.hpp>

#include <chrono>
#include <concepts>
#include <coroutine>
#include <cstddef>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace tandem {

class blocking_threads;

namespace detail {

struct blocking_threads_state;

/// A function that waits for a thread of the set; executed as a job when it has been called.
class blocking_call : job {
protected:
    using call_function = void(blocking_call*) noexcept;
    blocking_call(blocking_threads_state& t, call_function* call) noexcept : job(&resume_task), threads_(t), call_(call) {}
    ~blocking_call()
    {
        if (stop_callback_)
            abandon();
    }

    bool suspend(std::coroutine_handle<> h, environment& env);
    /// Throws operation_cancelled when it was stopped before it was called.
    void finish();
    /// The coroutine is destroyed in its wait, or could not be queued.
    void abandon() noexcept;

private:
    friend blocking_threads_state;
    enum class state : unsigned char { fresh, queued, called, cancelled };
    struct on_stop {
        blocking_call* self;
        void operator()() const noexcept;
    };
    struct kind;

    static void resume_task(job* j) noexcept { tandem::resume(static_cast<blocking_call*>(j)->handle_); }

    blocking_threads_state& threads_;
    call_function* const call_;
    std::coroutine_handle<> handle_;
    context* context_ = nullptr;
    blocking_call* next_call_ = nullptr; // guarded by the set's mutex, as are the next two
    blocking_call* previous_call_ = nullptr;
    state state_ = state::fresh;
    std::optional<stop_callback<on_stop>> stop_callback_;
};

template <class F>
class [[nodiscard("co_await it")]] blocking_operation {
    using R = std::invoke_result_t<F&>;

public:
    blocking_operation(blocking_threads_state& t, F&& f) : threads_(t), f_(std::move(f)) {}

    class awaiter : blocking_call {
    public:
        awaiter(blocking_threads_state& t, F& f) noexcept : blocking_call(t, &call), f_(f) {}
        [[nodiscard]] static constexpr bool await_ready() noexcept { return false; }
        template <class Promise>
        bool await_suspend(std::coroutine_handle<Promise> h)
        {
            return this->suspend(h, environment_of(h));
        }
        R await_resume()
        {
            this->finish();
            if constexpr (std::is_object_v<R>)
                return std::move(result_).value();
            else
                return result_.value();
        }

    private:
        static void call(blocking_call* c) noexcept
        {
            auto* const self = static_cast<awaiter*>(c);
            capture(self->result_, self->f_);
        }
        F& f_;
        outcome<R> result_;
    };
    awaiter operator co_await() && noexcept { return {threads_, f_}; }

private:
    blocking_threads_state& threads_;
    F f_;
};

} // namespace detail

struct blocking_threads_options {
    std::size_t limit = 64;                        ///< how many threads at most; what comes then waits in a queue. 1 and more
    std::chrono::nanoseconds idle{10'000'000'000}; ///< how long a thread stays that has nothing to do
};

/// Threads for calls that block, so that no worker of a pool does: as many as there are calls under way, up to a limit.
///
/// Thread safety: `run` from any thread. The destructor waits until all that was started has been called; nobody may be suspended in
/// `run` by then. Errors: std::invalid_argument for a limit of 0.
class blocking_threads {
public:
    explicit blocking_threads(blocking_threads_options options = {});
    ~blocking_threads();
    blocking_threads(const blocking_threads&) = delete;
    blocking_threads& operator=(const blocking_threads&) = delete;

    /// `co_await threads.run(f)`: calls `f()` on one of the threads; gives what it returns, or rethrows what it throws. The task resumes
    /// on its own context. Cancellation: while it waits for a thread; a call that has begun runs to its end, and a coroutine that is
    /// destroyed meanwhile ends the program.
    template <std::invocable F>
    [[nodiscard("co_await it")]] auto run(F f)
    {
        return detail::blocking_operation<F>(*state_, std::move(f));
    }

    /// How many threads there are just now.
    [[nodiscard]] std::size_t size() const noexcept;

private:
    std::unique_ptr<detail::blocking_threads_state> state_;
};

/// The threads behind `blocking`: one set per process, with the default options. Never destroyed.
[[nodiscard]] blocking_threads& default_blocking_threads();

/// `co_await blocking(f)`: calls `f()`, which may block (a file, a lookup, a lock), on a thread that is kept for such calls. See
/// `blocking_threads::run`.
///
///     const std::string text = co_await tandem::blocking([&] { return read_file(path); });
template <std::invocable F>
[[nodiscard("co_await it")]] auto blocking(F f)
{
    return default_blocking_threads().run(std::move(f));
}

} // namespace tandem
