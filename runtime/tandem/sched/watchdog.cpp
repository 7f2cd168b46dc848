#include <tandem/base/readable_name.hpp>
#include <tandem/sched/detail/scheduler_state.hpp>
#include <tandem/sched/detail/watchdog.hpp>
#include <tandem/sched/scheduler.hpp>
#include <tandem/task/waiting.hpp>
#include <tandem/trace/observer.hpp>

#include <algorithm>
#include <string>
#include <string_view>

namespace tandem::detail {

namespace {

/// Of the type of a piece of work, what the user gave: the function of a bound_call.
std::string function_of(const char* type)
{
    std::string text = readable_name(type);
    constexpr std::string_view call = "bound_call<";
    const std::size_t at = text.find(call);
    if (at == std::string::npos)
        return text;
    const std::size_t begin = at + call.size();
    int depth = 0;
    for (std::size_t k = begin; k < text.size(); ++k) {
        const char c = text[k];
        if (c == '<' || c == '(' || c == '{')
            ++depth;
        else if ((c == '>' || c == ')' || c == '}') && --depth < 0)
            break;
        else if (c == ',' && depth == 0)
            return text.substr(begin, k - begin);
    }
    return text;
}

} // namespace

watchdog::watchdog(const scheduler_state& s, std::chrono::nanoseconds limit) : state_(s), limit_(limit), thread_([this] { run(); })
{
}

watchdog::~watchdog()
{
    {
        const std::lock_guard lock(m_);
        stopping_ = true;
    }
    changed_.notify_one();
    thread_.join();
}

void watchdog::run()
{
    using namespace std::chrono_literals;
    const auto pause = std::clamp<std::chrono::nanoseconds>(limit_ / 4, 100us, 1s);
    std::unique_lock lock(m_);
    while (!changed_.wait_for(lock, pause, [this] { return stopping_; })) {
        lock.unlock(); // reports call out
        const std::size_t n = state_.worker_count.load(std::memory_order_acquire);
        seen_.resize(std::max(seen_.size(), n));
        const clock::time_point now = clock::now();
        for (std::size_t k = 0; k < n; ++k)
            if (const step_record* const r = state_.workers[k].load(std::memory_order_acquire)->record())
                look(k, *r, now);
        lock.lock();
    }
}

void watchdog::look(std::size_t index, const step_record& r, clock::time_point now)
{
    last_seen& last = seen_[index];
    const std::uint64_t e = r.epoch();
    if (e != last.epoch || !step_record::inside_step(e)) {
        last = {e, now, false};
        return;
    }
    if (last.reported || now - last.since < limit_)
        return;
    step_record::snapshot s;
    s.epoch = e;
    if (!r.read(s))
        return; // it has just ended
    last.reported = true;
    report(index, s, now - last.since);
}

void watchdog::report(std::size_t index, const step_record::snapshot& s, clock::duration d) const
{
    std::string function = s.function ? function_of(s.function) : std::string();
    source_line line(s.line);
    if (is_wrapper(line)) {
        line = {};
        function = "a combinator";
    }
    const blocked_worker b{
        .pool = state_.name, .worker = index, .blocked_for = d, .task = s.task, .line = line, .function = function};
    if (observer* const o = current_observer())
        o->worker_stalled(b);
    else
        print(b);
}

} // namespace tandem::detail
