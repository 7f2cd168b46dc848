#pragma once

#include <tandem/base/outcome.hpp>
#include <tandem/sync/one_shot_event.hpp>
#include <tandem/task/context.hpp>
#include <tandem/task/frame_memory.hpp>
#include <tandem/task/job.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <new>
#include <utility>

namespace tandem::detail {

/// What a call and its handle share: the work (a job), what came of it, and the way to stop it. Held by count: one for the work
/// until it has ended, one for the handle until it is dropped.
///
/// Small, because the two are often on different processors: with a lambda of two pointers all of it is two cache lines. So there is no
/// virtual destructor, and when the work has run, what was in the job has another use (`become_ready`).
class result_state_base : public job {
public:
    static void* operator new(std::size_t size) { return frame_allocate(size); }
    static void operator delete(void* p, std::size_t size) noexcept { frame_free(p, size); }
    // For a function, an argument or a result that is aligned beyond what frame_allocate gives.
    static void* operator new(std::size_t size, std::align_val_t a) { return ::operator new(size, a); }
    static void operator delete(void* p, std::size_t size, std::align_val_t a) noexcept { ::operator delete(p, size, a); }

    void add_reference() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
    void release() noexcept
    {
        // acq_rel: whoever destroys it comes after everybody's last use. The load saves the exchange when we are the last anyway.
        if (references_.load(std::memory_order_acquire) == 1 || references_.fetch_sub(1, std::memory_order_acq_rel) == 1)
            execute(); // the work has ended: see become_ready
    }

    /// Blocks until ready; throws would_deadlock when this thread would itself have to run the work.
    void wait();
    [[nodiscard]] bool wait_until(std::int64_t steady_ns);

    /// Somebody has looked at the error, so it is not lost.
    void mark_seen() noexcept { seen_ = true; }

    one_shot_event ready;
    environment env;

protected:
    result_state_base(job::function* run, context& home, stop_token parent) noexcept
        : job(run), env(home, parent), on_scheduler_(home.work_stealing() != nullptr)
    {
    }
    ~result_state_base() = default;

    /// In the destructor of the one that holds the outcome: an error that nobody saw goes to the sink.
    void report_if_unseen(const std::exception_ptr& error) noexcept;
    /// By the work, when it has ended, before its release: whoever releases last has `destroy` executed. Wakes who waits.
    void become_ready(job::function* destroy, bool failed) noexcept
    {
        execute_ = destroy;
        if (failed)
            keep_sink();
        // Not when the handle is gone, so that nobody waits, and nobody will: a count of one never rises.
        if (references_.load(std::memory_order_relaxed) != 1)
            ready.set();
    }

private:
    void keep_sink() noexcept;
    bool run_here_if_next() noexcept;
    void refuse_deadlock(const char* verb) const;

    std::atomic<int> references_{2};
    const bool on_scheduler_; // then env.ctx may be gone as soon as the work has ended, and is not to be touched by the handle
    bool seen_ = false;       // by the work before `ready`, by the handle's owner after
};

template <class R>
class result_state : public result_state_base {
public:
    outcome<R> result;

protected:
    using result_state_base::result_state_base;
    ~result_state()
    {
        if (result.has_error())
            report_if_unseen(result.error());
    }

    void become_ready(job::function* destroy) noexcept { result_state_base::become_ready(destroy, result.has_error()); }
};

} // namespace tandem::detail
