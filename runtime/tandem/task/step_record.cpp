#include <tandem/task/step_record.hpp>
#include <tandem/task/waiting.hpp>

#include <algorithm>
#include <cstring>

namespace tandem::detail {

namespace {
constinit thread_local step_record* this_thread_record = nullptr;
} // namespace

constinit std::atomic<int> steps_are_recorded{0};

void set_step_record(step_record* r) noexcept
{
    steps_are_recorded.fetch_add((r ? 1 : 0) - (this_thread_record ? 1 : 0), std::memory_order_relaxed);
    this_thread_record = r;
}

void record_task(std::coroutine_handle<> task) noexcept
{
    if (this_thread_record)
        this_thread_record->runs(task);
}

void record_call(const std::type_info& call) noexcept
{
    if (this_thread_record)
        this_thread_record->calls(call);
}

void step_record::describe(std::coroutine_handle<> task, const char* function) noexcept
{
    line_.store(task ? promise_base::of(task).stands_at_ : nullptr, std::memory_order_release);
    function_.store(function, std::memory_order_release);
    std::array<std::uint64_t, words> name{};
    if (const std::string* const full = task ? task_name(task) : nullptr)
        std::memcpy(name.data(), full->data(), std::min(full->size(), sizeof name));
    for (std::size_t k = 0; k < words; ++k)
        name_[k].store(name[k], std::memory_order_release);
}

void step_record::begin(const job& j) noexcept
{
    const job_kind::description d = job_kind::describe(j);
    describe(d.task, d.task ? nullptr : d.waits_for);
    epoch_.store((own_epoch() + 1) | 1, std::memory_order_release);
}

// Within the step: then the epoch changes, so that nobody reads half of it. Outside there is nobody to look.
void step_record::runs(std::coroutine_handle<> task) noexcept
{
    if (!inside_step(own_epoch()))
        return;
    end();
    describe(task, nullptr);
    epoch_.store(own_epoch() | 1, std::memory_order_release);
}

void step_record::calls(const std::type_info& call) noexcept
{
    if (!inside_step(own_epoch()))
        return;
    end();
    describe(nullptr, call.name());
    epoch_.store(own_epoch() | 1, std::memory_order_release);
}

bool step_record::read(snapshot& s) const
{
    s.line = line_.load(std::memory_order_acquire);
    s.function = function_.load(std::memory_order_acquire);
    std::array<std::uint64_t, words> name;
    for (std::size_t k = 0; k < words; ++k)
        name[k] = name_[k].load(std::memory_order_acquire);
    if (epoch() != s.epoch)
        return false;
    const char* const first = reinterpret_cast<const char*>(name.data());
    s.task.assign(first, std::find(first, first + sizeof name, '\0'));
    return true;
}

} // namespace tandem::detail
