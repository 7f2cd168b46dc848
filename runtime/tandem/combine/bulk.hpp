#pragma once

#include <tandem/base/unique_function.hpp>
#include <tandem/combine/detail/unclaimed_items.hpp>
#include <tandem/sched/scheduler.hpp>
#include <tandem/sync/one_shot_event.hpp>

#include <atomic>
#include <cstddef>
#include <exception>

namespace tandem {

/// A loop over [0, count) shared out among workers without a task per item: each participant claims chunks of the index space, the caller
/// from its beginning and the helpers from its end, until none is left. The engine of `map` over plain functions; for implementers.
///
/// Chunks are `chunk` items; with 0 each participant sizes its own, from one item up, so that a chunk takes tens of microseconds
/// and the last ones stay small: cheap items run near the speed of a plain loop, dear and uneven ones are balanced one by one.
/// The first exception ends the claiming; `done` is set when every claimed item has been run and none is left to claim.
/// Lifetime: held by count (the owner, and each helper that has not run yet), because a helper may be stuck in a queue long after
/// the work is done. What `run` refers to is touched only before `done` is set.
class bulk {
public:
    using progress_function = unique_function<void(std::size_t done, std::size_t total)>;

    bulk(const bulk&) = delete;
    bulk& operator=(const bulk&) = delete;

    /// Queues up to `helpers` jobs on `s` that take part. Once, before `participate`, which the caller will call if it takes part.
    void start(scheduler& s, std::size_t helpers, bool caller_takes_part);
    /// Takes part on this thread until nothing is left to claim. On a worker for a time slice at most, so that timers and sockets get
    /// their turn: true when it stopped for that, and then somebody must take part in its place.
    bool participate() noexcept { return participate(side::front); }
    /// As one more helper, queued on `s`, after `participate` returned true.
    void participate_later(scheduler& s);
    /// Makes the rest of the items unclaimable, with this error unless there is one already.
    void fail(std::exception_ptr error) noexcept;
    /// After `done`: the first error, or null.
    [[nodiscard]] const std::exception_ptr& error() const noexcept { return error_; }

    void add_reference() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
    void release() noexcept;

    one_shot_event done;

protected:
    bulk(std::size_t count, std::size_t chunk, stop_token stop, progress_function* progress) noexcept
        : count_(count), chunk_(chunk), stop_(stop), progress_(progress), unclaimed_(count), remaining_(count)
    {
    }
    virtual ~bulk();

    /// Runs the items of one chunk; what it throws fails the loop.
    virtual void run(std::size_t begin, std::size_t end) = 0;
    /// Called once, by the last participant, just before `done` is set.
    virtual void finished() noexcept {}

private:
    struct helper;
    using side = detail::unclaimed_items::side;

    bool participate_as_helper() noexcept;
    bool participate(side from) noexcept;
    void ended(std::size_t items) noexcept;
    void report_progress(std::size_t items) noexcept;

    const std::size_t count_;
    const std::size_t chunk_;
    const stop_token stop_;
    progress_function* const progress_;
    error_sink* sink_ = nullptr;
    std::size_t participants_ = 1;
    helper* helpers_ = nullptr; // the last place is for participate_later
    std::size_t helper_count_ = 0;
    scheduler* scheduler_ = nullptr;
    bool caller_takes_part_ = false;
    std::exception_ptr error_;
    std::atomic<int> references_{1};
    std::atomic<bool> failed_{false};
    std::atomic<bool> reporting_{false};
    std::size_t reported_ = 0; // guarded by reporting_
    std::atomic<std::size_t> completed_{0};
    alignas(cache_line) detail::unclaimed_items unclaimed_;
    alignas(cache_line) std::atomic<std::size_t> remaining_; // items not yet run nor given up
};

} // namespace tandem
