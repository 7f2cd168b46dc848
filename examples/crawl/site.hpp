// One site of a crawl, that is scheme, host and port: what it asks of us, when it may be asked next, what is wanted of it.
#pragma once

#include "page.hpp"
#include "robots.hpp"
#include "url.hpp"

#include <tandem/sync/channel.hpp>
#include <tandem/sync/semaphore.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>

namespace crawl {

struct site {
    using clock = std::chrono::steady_clock;

    site(std::int64_t number, url first, std::size_t at_a_time)
        : id(number), address(std::move(first)), slots(static_cast<std::ptrdiff_t>(at_a_time))
    {
    }

    /// When the next request may go out; the one after that waits for `interval` more.
    clock::time_point next_turn()
    {
        const std::lock_guard lock(mutex_);
        const clock::time_point turn = std::max(next_, clock::now());
        next_ = turn + interval;
        return turn;
    }
    /// The server has asked for a rest: no turn is before that, and those given out before do not count.
    void rest_until(clock::time_point t)
    {
        const std::lock_guard lock(mutex_);
        rest_ = std::max(rest_, t);
        next_ = std::max(next_, t);
    }
    [[nodiscard]] bool resting() const
    {
        const std::lock_guard lock(mutex_);
        return clock::now() < rest_;
    }

    const std::int64_t id;
    const url address; // of some page of it
    robots rules;
    std::string refusal;                                                            // why nothing of it is fetched; empty: it is
    std::chrono::nanoseconds interval{0};                                           // between requests; set before the first
    tandem::channel<queued_page> queue = tandem::channel<queued_page>::unbounded(); // the next ones; the rest are in the manifest
    tandem::semaphore slots;
    std::int64_t queued = 0; // in the manifest; for the one who records

private:
    mutable std::mutex mutex_;
    clock::time_point next_{};
    clock::time_point rest_{};
};

} // namespace crawl
