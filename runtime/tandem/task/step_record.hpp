#pragma once

#include <tandem/base/config.hpp>
#include <tandem/task/job.hpp>

#include <array>
#include <atomic>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <string>
#include <typeinfo>

namespace tandem::detail {

/// What a worker says of the step that it runs, for a watchdog that looks at any time. A step is a job, from its start until the worker
/// looks for the next. Everything in it is a copy or of static lifetime, so the watchdog follows no pointer into a task that may be gone.
///
/// Thread safety: `read` and `epoch` from any thread, the rest by the worker. Written as a sequence lock: `epoch_` is odd inside a step and
/// never the same for two. Release at every store: a reader that has seen part of a later step sees, by its acquire loads, that the
/// epoch has changed. Cost: a dozen plain stores on x86 for a step, for those who want it.
class step_record {
public:
    struct snapshot {
        std::uint64_t epoch = 0;
        const void* line = nullptr;     // a source_line
        const char* function = nullptr; // a type as the compiler names it, or words
        std::string task;
    };

    /// Begins the step that executes `j`.
    void begin(const job& j) noexcept;
    void end() noexcept { epoch_.store((own_epoch() | 1) + 1, std::memory_order_release); }
    /// The step waits in a verb of the library's, or says that it blocks. Calls may be nested, and need not be in a step.
    void pause() noexcept
    {
        if (pauses_++ == 0 && (paused_step_ = inside_step(own_epoch())))
            end();
    }
    void go_on() noexcept
    {
        if (--pauses_ == 0 && paused_step_)
            epoch_.store(own_epoch() | 1, std::memory_order_release);
    }
    /// The step turns out to run that task, or a function of that type.
    void runs(std::coroutine_handle<> task) noexcept;
    void calls(const std::type_info& call) noexcept;

    [[nodiscard]] std::uint64_t epoch() const noexcept { return epoch_.load(std::memory_order_acquire); }
    [[nodiscard]] static constexpr bool inside_step(std::uint64_t e) noexcept { return (e & 1) != 0; }
    /// False when the step `s.epoch` has ended meanwhile.
    [[nodiscard]] bool read(snapshot& s) const;

private:
    static constexpr std::size_t words = 5;

    [[nodiscard]] std::uint64_t own_epoch() const noexcept { return epoch_.load(std::memory_order_relaxed); }
    void describe(std::coroutine_handle<> task, const char* function) noexcept;

    int pauses_ = 0; // this and the next by the worker only
    bool paused_step_ = false;
    std::atomic<std::uint64_t> epoch_{0};
    std::atomic<const void*> line_{nullptr};
    std::atomic<const char*> function_{nullptr};
    std::array<std::atomic<std::uint64_t>, words> name_{}; // its first characters, up to a zero
};

/// One step, by a worker; without a record as a rule.
TANDEM_ALWAYS_INLINE void execute_step(job& j, step_record* record) noexcept
{
    if (TANDEM_LIKELY(!record)) {
        j.execute();
        return;
    }
    record->begin(j);
    j.execute();
    record->end();
}

/// How many threads keep a record.
extern std::atomic<int> steps_are_recorded;
/// Makes `r` (null: none) the record of this thread.
void set_step_record(step_record* r) noexcept;
void record_task(std::coroutine_handle<> task) noexcept;
void record_call(const std::type_info& call) noexcept;

/// By a job that is about to start that task, or to call a function. Cost without a watchdog: a load.
inline void now_runs(std::coroutine_handle<> task) noexcept
{
    // Relaxed: a thread's own record was set by itself, and others' do not matter.
    if (TANDEM_UNLIKELY(steps_are_recorded.load(std::memory_order_relaxed) != 0))
        record_task(task);
}
template <class Call>
void now_calls(const Call& c) noexcept
{
    if (TANDEM_UNLIKELY(steps_are_recorded.load(std::memory_order_relaxed) != 0))
        record_call(typeid(c));
}

} // namespace tandem::detail
