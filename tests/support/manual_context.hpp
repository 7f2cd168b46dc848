// A context that runs on the test's own thread, job by job, with a clock of its own; and test cases whose body is a coroutine on it.
#pragma once

#include <tandem/base/errc.hpp>
#include <tandem/task/awaitable.hpp>
#include <tandem/task/task.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <coroutine>
#include <deque>
#include <map>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>

namespace tandem::test {

/// Thrown by `manual_context::run` when the task waits and there is nobody left to wake it.
class stuck : public std::logic_error {
public:
    stuck() : std::logic_error("the task can never finish: it waits, and no job is queued and nobody sleeps") {}
};

/// A queue of jobs and a clock. `run` executes the jobs one after the other, oldest first; when none is left it moves the clock on to
/// the first who sleeps, so that no test of time takes any. One thread only: a job posted from another thread is an error.
class manual_context final : public context {
public:
    using duration = std::chrono::nanoseconds;

    manual_context() = default;

    void post(job& j) noexcept override
    {
        if (std::this_thread::get_id() != thread_)
            FAIL("a job was posted to a manual_context from another thread");
        jobs_.push_back(&j);
    }

    /// Executes one job, or wakes one sleeper when there is none; false when there is neither.
    bool step() noexcept;

    /// Runs `a` until it has ended, and gives its value or throws what it threw; throws `stuck` when it can never end.
    template <awaitable A>
    auto run(A a, stop_token stop = {}) -> await_result_t<A>;

    /// How long the clock has run.
    [[nodiscard]] duration now() const noexcept { return now_; }
    /// `co_await manual.sleep_for(1h)`: a wait that can be stopped, as tandem::sleep_for.
    [[nodiscard]] auto sleep_for(duration d) noexcept;
    /// `co_await manual.yield()`: lets every job that is queued already go first.
    [[nodiscard]] auto yield() noexcept;

private:
    class sleeper;
    class yielder;

    std::thread::id thread_ = std::this_thread::get_id();
    std::deque<job*> jobs_;
    duration now_{0};
    std::multimap<duration, sleeper*> sleepers_;
};

/// A test case whose body is a coroutine: it may co_await, and `manual` is the manual_context that it runs on. Fails when the body
/// can never finish. The body must have a co_await or a co_return in it.
///
///     TASK_TEST_CASE("sleeping takes time") { co_await manual.sleep_for(1s); CHECK(manual.now() == 1s); }
#define TASK_TEST_CASE(...) TANDEM_TASK_TEST_CASE(DOCTEST_ANONYMOUS(tandem_task_test_case_), __VA_ARGS__)
#define TANDEM_TASK_TEST_CASE(body, ...)                                                                                           \
    static tandem::task<> body(tandem::test::manual_context& manual);                                                              \
    TEST_CASE(__VA_ARGS__)                                                                                                         \
    {                                                                                                                              \
        tandem::test::manual_context manual;                                                                                       \
        manual.run(body(manual));                                                                                                  \
    }                                                                                                                              \
    static tandem::task<> body([[maybe_unused]] tandem::test::manual_context& manual)

// -----------------------------------------------------------------------------------------------

class manual_context::sleeper : job {
public:
    sleeper(manual_context& c, duration until) noexcept : job(&resume_task), context_(c), until_(until) {}
    ~sleeper()
    {
        if (place_)
            context_.sleepers_.erase(*place_);
    }
    sleeper(const sleeper&) = delete;
    sleeper& operator=(const sleeper&) = delete;

    [[nodiscard]] bool await_ready() const noexcept { return until_ <= context_.now_; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> h)
    {
        handle_ = h;
        place_ = context_.sleepers_.emplace(until_, this);
        stop_callback_.emplace(detail::environment_of(h).stop.get_token(), on_stop{this});
    }
    void await_resume()
    {
        stop_callback_.reset();
        if (stopped_)
            throw operation_cancelled("a task was asked to stop while it slept");
    }

    void wake() noexcept
    {
        context_.sleepers_.erase(*std::exchange(place_, std::nullopt));
        context_.post(*this);
    }

private:
    struct on_stop {
        sleeper* self;
        void operator()() const noexcept
        {
            if (!self->place_)
                return; // awake already
            self->stopped_ = true;
            self->wake();
        }
    };
    static void resume_task(job* j) noexcept { tandem::resume(static_cast<sleeper*>(j)->handle_); }

    manual_context& context_;
    duration until_;
    std::coroutine_handle<> handle_;
    std::optional<std::multimap<duration, sleeper*>::iterator> place_;
    std::optional<stop_callback<on_stop>> stop_callback_;
    bool stopped_ = false;
};

class manual_context::yielder : job {
public:
    explicit yielder(manual_context& c) noexcept : job(&resume_task), context_(c) {}

    [[nodiscard]] static constexpr bool await_ready() noexcept { return false; }
    void await_suspend(std::coroutine_handle<> h) noexcept
    {
        handle_ = h;
        context_.post(*this);
    }
    void await_resume() const noexcept {}

private:
    static void resume_task(job* j) noexcept { tandem::resume(static_cast<yielder*>(j)->handle_); }

    manual_context& context_;
    std::coroutine_handle<> handle_;
};

// Both give an object with an operator co_await, since GCC 12 wants to copy an awaiter that passes through await_transform.
inline auto manual_context::sleep_for(duration d) noexcept
{
    struct [[nodiscard("co_await it")]] sleep {
        manual_context& context;
        duration until;
        sleeper operator co_await() const noexcept { return {context, until}; }
    };
    return sleep{*this, now_ + d};
}

inline auto manual_context::yield() noexcept
{
    struct [[nodiscard("co_await it")]] yield {
        manual_context& context;
        yielder operator co_await() const noexcept { return yielder(context); }
    };
    return yield{*this};
}

inline bool manual_context::step() noexcept
{
    if (jobs_.empty()) {
        if (sleepers_.empty())
            return false;
        now_ = sleepers_.begin()->first;
        sleepers_.begin()->second->wake();
    }
    job* const j = jobs_.front();
    jobs_.pop_front();
    j->execute();
    return true;
}

template <awaitable A>
auto manual_context::run(A a, stop_token stop) -> await_result_t<A>
{
    struct root final : completion {
        root() noexcept : completion(&task_ended) {}
        static std::coroutine_handle<> task_ended(completion* c, const std::exception_ptr&) noexcept
        {
            static_cast<root*>(c)->ended = true;
            return std::noop_coroutine();
        }
        bool ended = false;
    };

    environment env{*this, stop};
    root r;
    auto t = as_task(std::move(a)); // the last, so that a task that is stuck goes before what it refers to
    resume(detail::task_access::prepare(t, env, r));
    while (!r.ended)
        if (!step())
            throw stuck();
    return detail::task_access::take(t);
}

} // namespace tandem::test
