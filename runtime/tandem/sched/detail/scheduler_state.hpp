#pragma once

#include <tandem/base/unique_function.hpp>
#include <tandem/sched/detail/followers.hpp>
#include <tandem/sched/detail/timer_service.hpp>
#include <tandem/sched/detail/watchdog.hpp>
#include <tandem/task/context.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/thread_pool.hpp>

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <latch>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace tandem {

class worker;

namespace detail {

/// One worker more for each that blocks, up to this many; past it a blocked worker is not replaced.
inline constexpr std::size_t most_workers = 2048;

/// What a scheduler holds that its header need not show.
struct scheduler_state {
    scheduler_state(const char* pool_name, std::size_t n_threads, unique_function<void()> init, error_sink* s)
        : name(pool_name)
        , initializer(std::move(init))
        , sink(s)
        , others(*this, n_threads)
        , started(static_cast<std::ptrdiff_t>(n_threads))
    {
        timers.stay_armed();
    }
    ~scheduler_state();
    scheduler_state(const scheduler_state&) = delete;
    scheduler_state& operator=(const scheduler_state&) = delete;

    std::string name;
    unique_function<void()> initializer;
    error_sink* sink;

    // No threads of its own: ours attach, so that each is named, has its slot and has run the initializer before any work comes.
    // (A pool of one thread made by Asio itself also keeps posted handlers in a thread-private queue, which nobody could reach
    // while that thread blocks.)
    asio::thread_pool pool{0};
    asio::any_io_executor executor{pool.get_executor()};
    timer_service& timers{asio::use_service<timer_service>(pool)};

    followers others; // of its threads

    // Slots are added, never removed, and published by the count: readers index without a lock.
    std::vector<std::atomic<worker*>> workers{most_workers};
    std::atomic<std::size_t> worker_count{0};
    std::atomic<bool> has_substitutes{false};

    std::mutex m; // guards the next four
    std::vector<std::thread> threads;
    std::size_t blocked = 0;
    bool stopping = false;
    std::exception_ptr initializer_error;
    std::latch started;

    std::deque<step_record> records; // added to as the workers are; empty without a watchdog
    bool watched = false;
    std::optional<watchdog> dog;

    std::mutex idle_m;
    std::condition_variable idle;
};

} // namespace detail

} // namespace tandem
