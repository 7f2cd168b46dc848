// Tasks that a test starts, stops and destroys at the moment it chooses.
#pragma once

#include "support/manual_context.hpp"
#include "support/threads.hpp"

#include <tandem/base/errc.hpp>
#include <tandem/task/task.hpp>

#include <atomic>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

namespace tandem::test {

/// A task on a manual_context, started at once, with a stop source of its own.
template <class T = void>
class started : completion {
public:
    started(manual_context& c, task<T> t) : completion(&task_ended), environment_(c, stop_token{}), task_(std::move(t))
    {
        resume(detail::task_access::prepare(task_, environment_, *this));
    }

    [[nodiscard]] bool ended() const noexcept { return ended_; }
    void stop() noexcept { environment_.stop.request_stop(); }
    T get() { return detail::task_access::take(task_); }
    [[nodiscard]] bool was_cancelled()
    {
        try {
            static_cast<void>(get());
        }
        catch (const operation_cancelled&) {
            return true;
        }
        return false;
    }
    /// Destroys the coroutine where it is.
    void destroy() { task_ = task<T>(); }

private:
    static std::coroutine_handle<> task_ended(completion* c, const std::exception_ptr&) noexcept
    {
        static_cast<started*>(c)->ended_ = true;
        return std::noop_coroutine();
    }

    environment environment_;
    task<T> task_;
    bool ended_ = false;
};
template <class T>
started(manual_context&, task<T>) -> started<T>;

/// Runs what is queued, and does not move the clock.
inline void drain(manual_context& manual)
{
    const auto before = manual.now();
    while (manual.step())
        CHECK(manual.now() == before);
}

/// Where one thread or task puts what another may ask to stop at any moment.
class stop_slot {
public:
    void open()
    {
        const std::lock_guard lock(m_);
        source_.emplace();
    }
    [[nodiscard]] stop_token token() const noexcept { return source_->get_token(); } // for the one who opened it
    void close()
    {
        const std::lock_guard lock(m_); // request_stop is over by then
        source_.reset();
    }
    void stop()
    {
        const std::lock_guard lock(m_);
        if (source_)
            source_->request_stop();
    }

private:
    std::mutex m_;
    std::optional<stop_source> source_;
};

/// A thread that stops one of the slots after the other, as long as this lives.
template <class Slots>
class random_stops {
public:
    explicit random_stops(Slots& slots)
        : thread_([this, &slots] {
            jitter random(7);
            while (!over_) {
                slots[random.below(static_cast<unsigned>(slots.size()))].stop();
                random.spin(1'000);
                if (random.below(16) == 0)
                    std::this_thread::yield();
            }
        })
    {
    }
    ~random_stops()
    {
        over_ = true;
        thread_.join();
    }
    random_stops(const random_stops&) = delete;
    random_stops& operator=(const random_stops&) = delete;

private:
    std::atomic<bool> over_{false};
    std::thread thread_; // the last, since it uses the other
};

template <class T>
class under_awaiter : completion {
public:
    under_awaiter(stop_token token, task<T>&& t) noexcept : completion(&task_ended), token_(token), task_(std::move(t)) {}

    [[nodiscard]] static constexpr bool await_ready() noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> h) noexcept
    {
        parent_ = h;
        environment_.emplace(*detail::environment_of(h).ctx, token_);
        return transfer(detail::task_access::prepare(task_, *environment_, *this));
    }
    T await_resume() { return detail::task_access::take(task_); }

private:
    static std::coroutine_handle<> task_ended(completion* c, const std::exception_ptr&) noexcept
    {
        return static_cast<under_awaiter*>(c)->parent_;
    }

    stop_token token_;
    std::optional<environment> environment_;
    task<T> task_;
    std::coroutine_handle<> parent_;
};

/// `co_await under(token, t)`: awaits `t`, which `token` may stop.
template <class T>
auto under(stop_token token, task<T> t)
{
    struct [[nodiscard("co_await it")]] wait {
        stop_token token;
        task<T> t;
        under_awaiter<T> operator co_await() && noexcept { return {token, std::move(t)}; }
    };
    return wait{token, std::move(t)};
}

} // namespace tandem::test
