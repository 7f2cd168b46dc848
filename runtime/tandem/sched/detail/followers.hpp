#pragma once

#include <tandem/sched/detail/asymmetric.hpp>

#include <asio/thread_pool.hpp>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>

namespace tandem::detail {

struct scheduler_state;

/// Threads of a pool that stay out of Asio while fewer can serve its I/O. Asio wakes one more thread whenever two handlers are ready; where
/// handlers are short the threads then only take the work, and the processor, out of each other's hands.
///
/// The pattern is Leader/Followers (Schmidt, O'Ryan, Kircher, Pyarali and Buschmann, 2000), with leaders that may fail. Of those that follow
/// one looks after the leaders: it puts a probe into Asio's queue and waits for a term, of half a millisecond, up to 8 when all goes well.
/// It goes back to serve when meanwhile no handler has ended, since one is long, or waits for another; and when there is no I/O any more, so
/// that a pool without work has all its threads in Asio and none that looks at a clock. When the probe was late, there is a queue: then it
/// serves for a while on trial, and goes on with that where it made the pool as much faster as half a thread should.
/// Thread safety: every member from any thread.
class followers {
public:
    /// Of the threads of `s`, which outlives it.
    followers(const scheduler_state& s, std::size_t threads) noexcept : state_(s), serving_(threads) {}
    followers(const followers&) = delete;
    followers& operator=(const followers&) = delete;

    /// To be asked by a thread that serves, now and then. True: it should post a handler that calls `follow`.
    [[nodiscard]] bool too_many_serve() const noexcept
    {
        return serving_.load(std::memory_order_relaxed) > 1 && clock::now() >= next_follow_.load(std::memory_order_relaxed);
    }

    /// Stays out of Asio for a while; in a handler of `pool` with no other code of the program below it on the stack. True when it was ended
    /// by `hand_pump`.
    [[nodiscard]] bool follow(asio::thread_pool& pool) noexcept;
    /// Asked by the only leader, after it has queued work: true when one who follows will see, within a term, that no handler ends, and then
    /// goes back to serve; after which it makes a full barrier and looks for work.
    [[nodiscard]] bool watch() const noexcept
    {
        // A Dekker handshake with `leaves`: either we see that it serves, or it sees what we have queued.
        full_barrier();
        return serving_.load(dekker_load) == 1 && following_.load(std::memory_order_relaxed) > 0;
    }
    /// Has one of those that follow return from `follow` with true; false when there is none.
    [[nodiscard]] bool hand_pump() noexcept { return call_one(call::pump); }
    /// Has one of them serve: a thread that served is about to be busy with something else.
    void serve_more() noexcept { static_cast<void>(call_one(call::serve)); }
    /// Has all of them return, and lets no other follow any more.
    void end() noexcept;

private:
    using clock = std::chrono::steady_clock;
    enum class call : unsigned char { none, serve, pump };
    struct follower {
        std::condition_variable changed;
        call called = call::none;
    };
    /// A point of time and how many handlers had ended by then.
    struct mark {
        clock::time_point at;
        std::uint64_t handlers = 0;
    };

    [[nodiscard]] mark now() const noexcept;
    [[nodiscard]] static double rate(const mark& from, const mark& to) noexcept;
    [[nodiscard]] bool trial_goes_on() noexcept;
    void send_probe(asio::thread_pool& pool, std::unique_lock<std::mutex>& lock);
    bool look_after_leaders(asio::thread_pool& pool, follower& self, std::unique_lock<std::mutex>& lock);
    void leaves() noexcept;
    bool call_one(call c) noexcept;

    static constexpr std::chrono::microseconds shortest_term{500};
    static constexpr std::chrono::microseconds shortest_trial{1000};

    const scheduler_state& state_;
    std::mutex m_;
    std::deque<follower*> waiting_; // the first looks after the leaders, the others sleep
    bool ended_ = false;

    // The probe that was sent last: which, and how long it took; max() while it is under way.
    std::uint64_t probe_ = 0;
    clock::duration probe_took_{};
    std::chrono::microseconds term_ = shortest_term;
    std::chrono::microseconds late_for_{};              // terms in a row at whose end it was late
    std::chrono::microseconds patience_{shortest_term}; // so long a time of those leads to a trial
    mark since_;                                        // the beginning of those, or when a follower last went back to serve
    double rate_ = 0;                                   // handlers per second before the trial
    int slow_terms_ = 0;                                // in a row, at a much lower rate than that
    bool on_trial_ = false;
    std::chrono::microseconds trial_ = shortest_trial; // at least so long a thread serves before one follows again

    // Written under the lock, and read as hints without it.
    std::atomic<std::size_t> serving_;
    std::atomic<std::size_t> following_{0};
    std::atomic<clock::time_point> next_follow_{clock::time_point{}};
};

} // namespace tandem::detail
