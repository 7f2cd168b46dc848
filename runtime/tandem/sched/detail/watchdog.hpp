#pragma once

#include <tandem/task/step_record.hpp>

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace tandem::detail {

struct scheduler_state;

/// A thread that looks round among the workers of a scheduler, a few times within `limit`, and reports each step that has gone on for longer:
/// once, and only when it is still the same step. The worker itself reads no clock.
class watchdog {
public:
    /// `s` outlives it, and its workers are added, never removed, while it looks.
    watchdog(const scheduler_state& s, std::chrono::nanoseconds limit);
    ~watchdog();
    watchdog(const watchdog&) = delete;
    watchdog& operator=(const watchdog&) = delete;

private:
    using clock = std::chrono::steady_clock;
    struct last_seen {
        std::uint64_t epoch = 0;
        clock::time_point since;
        bool reported = false;
    };

    void run();
    void look(std::size_t index, const step_record& r, clock::time_point now);
    void report(std::size_t index, const step_record::snapshot& s, clock::duration d) const;

    const scheduler_state& state_;
    const std::chrono::nanoseconds limit_;
    std::vector<last_seen> seen_; // by the thread only
    std::mutex m_;
    std::condition_variable changed_;
    bool stopping_ = false;
    std::thread thread_; // the last, since it uses the rest
};

} // namespace tandem::detail
