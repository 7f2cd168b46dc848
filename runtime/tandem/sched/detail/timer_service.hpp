#pragma once
// shared-detail: tasks on any other Asio executor have the same timers (io/executor.cpp)

#include <tandem/task/timer_wheel.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/execution_context.hpp>
#include <asio/steady_timer.hpp>

#include <cstdint>
#include <mutex>
#include <optional>

namespace tandem {
class scheduler;
}

namespace tandem::detail {

/// The timers of all tasks on one Asio context: a wheel, and one Asio timer that is set for when the wheel is to be looked at next.
///
/// Thread safety: every member from any thread.
class timer_service final : public asio::execution_context::service {
public:
    static inline asio::execution_context::id id;

    explicit timer_service(asio::execution_context& c) : service(c) {}

    /// As those of `context`. `ex` is an executor of the Asio context; what serves all of them is not bound to the strand of one.
    bool start(timer& t, const asio::any_io_executor& ex) noexcept;
    bool stop(timer& t) noexcept;

    /// From now on the Asio timer stays set when the last of ours was stopped, as most timeouts are, so that the next need not set it anew;
    /// until `disarm`. A set timer keeps its context from running out of work.
    void stay_armed() noexcept { stays_armed_ = true; }
    void disarm() noexcept;

private:
    void shutdown() noexcept override;
    [[nodiscard]] std::unique_lock<std::mutex> locked() noexcept;
    void arm() noexcept;
    void disarm_locked() noexcept;
    void look() noexcept;

    std::mutex m_;
    timer_wheel wheel_;
    std::optional<asio::steady_timer> timer_;
    std::int64_t armed_for_ = timer_wheel::never;
    std::int64_t not_before_ = 0;   // the next look
    scheduler* unshared_ = nullptr; // whose tasks the last look resumed without waking anybody, since this one was to come soon
    bool stays_armed_ = false;      // set before the first start
    bool down_ = false;
};

} // namespace tandem::detail
