// A supervisor's beginning and end. Its calls are in supervisor_calls.cpp, what its thread does in supervisor_thread.cpp.

#include <tandem/base/errc.hpp>
#include <tandem/process/detail/names.hpp>
#include <tandem/process/detail/supervisor.hpp>
#include <tandem/task/blocking.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace tandem::detail {

std::string remote_task::description() const
{
    std::string s = verb;
    if (items != 0)
        s += ", items " + std::to_string(first_item) + " to " + std::to_string(first_item + items - 1);
    else
        s += ", call " + std::to_string(number);
    if (function)
        s += " of " + function_name(function->name(), header.function);
    return s;
}

supervisor::supervisor(options o)
    : options_(std::move(o)), process_name_(options_.name.substr(0, 12)), control_(connect_to_server())
{
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        throw std::system_error(errno, std::system_category(), "process_pool: pipe");
    wake_read_ = unique_fd(ends[0]);
    wake_write_ = unique_fd(ends[1]);
    finished_list none;
    std::exception_ptr why;
    {
        std::unique_lock lock(m_);
        for (std::size_t k = 0; k < options_.processes; ++k)
            slots_.push_back(std::make_unique<slot>());
        for (const auto& s : slots_)
            spawn(*s, none);
        thread_ = std::thread([this] { thread_main(); });
        const blocking_section section;
        started_.wait(lock, [&] { return broken_ || ready_at_first_ == options_.processes; });
        constructing_ = false;
        why = broken_;
    }
    if (why) {
        stop();
        std::rethrow_exception(why);
    }
}

supervisor::~supervisor() { stop(); }

std::exception_ptr supervisor::terminated_error()
{
    return std::make_exception_ptr(operation_cancelled("the call was cancelled: its pool was terminated"));
}

void supervisor::finish(finished_list& list) noexcept
{
    for (finished& f : list) {
        if (!std::exchange(f.task->has_begun, true))
            f.task->begun();
        f.task->finish(std::move(f.outcome));
    }
    list.clear();
}

void supervisor::wake() noexcept
{
    if (std::exchange(woken_, true))
        return;
    const char c = 0;
    static_cast<void>(!::write(wake_write_.get(), &c, 1)); // full: it will wake anyway
}

void supervisor::terminate() noexcept
{
    finished_list done;
    {
        const std::lock_guard lock(m_);
        if (std::exchange(terminated_, true))
            return;
        while (remote_task* const t = queue_.pop())
            done.push_back({t, {.error = terminated_error(), .value = {}}});
        for (const auto& s : slots_)
            if (s->state != phase::none) {
                if (s->state == phase::idle)
                    --idle_;
                if (s->state != phase::starting)
                    s->state = phase::busy;
                s->doomed = true;
                kill(*s);
            }
        wake();
    }
    finish(done);
}

void supervisor::stop() noexcept
{
    if (!thread_.joinable())
        return;
    {
        const std::lock_guard lock(m_);
        stopping_ = true;
        wake();
    }
    const blocking_section section;
    thread_.join();
}

std::vector<int> supervisor::pids() const
{
    const std::lock_guard lock(m_);
    std::vector<int> v;
    for (const auto& s : slots_)
        if (s->pid != 0 && !s->doomed && (s->state == phase::idle || s->state == phase::busy))
            v.push_back(s->pid);
    return v;
}

std::uint64_t supervisor::started() const noexcept
{
    const std::lock_guard lock(m_);
    return next_id_ - 1;
}

} // namespace tandem::detail
