// How a supervisor starts, replaces and ends its workers.

#include <tandem/process/detail/supervisor.hpp>
#include <tandem/process/exception_codec.hpp>

#include <sys/socket.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace tandem::detail {

namespace {

constexpr std::size_t most_failed_starts = 5;
constexpr unsigned most_attempts = 3;

} // namespace

/// A worker has died, and nobody reads its socket.
void supervisor::worker_gone(slot& s, finished_list& done)
{
    if (s.state == phase::idle)
        --idle_;
    const bool was_starting = s.state == phase::starting;
    remote_task* const task = std::exchange(s.task, nullptr);
    const int status = s.status.value_or(0);
    const int pid = s.pid;
    const bool timed_out = s.timed_out;
    bool unread = s.reset || (s.mail.calls() && s.mail.calls()->unread());
    remote_outcome o;
    bool answered_at_last = false;
    if (task && !s.closed) {
        // What it sent before it died still counts.
        try {
            const auto last = s.receiver.receive(s.socket.get(), false);
            answered_at_last = last == frame_receiver::status::complete;
            unread = unread || last == frame_receiver::status::reset;
            if (answered_at_last)
                o = outcome_of(s);
        }
        catch (...) { // no memory: as if it had not come
        }
    }
    s = slot{};
    const int signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    const auto death = [&](const std::string& what) { return std::make_exception_ptr(worker_died(pid, signal, code, what)); };

    if (task && answered_at_last)
        done.push_back({task, std::move(o)});
    else if (task && terminated_)
        done.push_back(
            {task, {.error = std::make_exception_ptr(operation_cancelled("the call was cancelled: its pool was terminated")),
                       .value = {}}});
    else if (task && timed_out)
        done.push_back(
            {task, {.error = std::make_exception_ptr(timeout_error(
                        task->description() + ": it took longer than the pool's task_timeout, and its worker was killed")),
                       .value = {}}});
    else if (task && unread && ++task->attempts < most_attempts && !broken_)
        again(*task, done); // it had not been read, so it had not begun
    else if (task)
        done.push_back({task, {.error = death(task->description()), .value = {}}});
    if (terminated_ || stopping_ || broken_)
        return;
    if (was_starting)
        start_failed(death("the initializer"), done);
    if (!broken_)
        spawn(s, done);
}

void supervisor::again(remote_task& t, finished_list& done)
{
    while (slot* const idle = find_idle(false))
        if (begin(*idle, t, false, done))
            return;
    queue_.push_front(t);
}

void supervisor::start_failed(const std::exception_ptr& why, finished_list& done)
{
    if (++failed_starts_ >= most_failed_starts)
        break_down(why, done);
}

/// No worker can be had any more.
void supervisor::break_down(const std::exception_ptr& why, finished_list& done) noexcept
{
    if (broken_)
        return;
    broken_ = why;
    respawn_at_ = clock::time_point::max();
    while (remote_task* const t = queue_.pop())
        done.push_back({t, {.error = why, .value = {}}});
    started_.notify_one();
}

void supervisor::server_lost(finished_list& done)
{
    lost_ = true;
    workers_alive_ = 0;
    const auto why = std::make_exception_ptr(
        std::runtime_error("process_pool: the fork server has died, and with it all workers; none can be started any more"));
    break_down(why, done);
    for (const auto& s : slots_) {
        // The workers got SIGKILL from the system.
        s->status = SIGKILL;
        if (s->direct && s->state == phase::busy && s->task)
            ::shutdown(s->socket.get(), SHUT_RDWR);
        else if (s->state != phase::none)
            worker_gone(*s, done);
    }
}

void supervisor::spawn(slot& s, finished_list& done)
{
    respawn_at_ = clock::time_point::max();
    s = slot{};
    wake(); // there is one more to poll
    try {
        int ends[2];
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
            throw std::system_error(errno, std::system_category(), "process_pool: socketpair");
        s.socket = unique_fd(ends[0]);
        const unique_fd theirs(ends[1]);
        widen(ends[0]);
        widen(ends[1]);
        server_request r{.what = server_request::verb::spawn, .id = next_id_};
        process_name_.copy(r.name, sizeof r.name - 1);
        if (const int error = send_message(control_.get(), &r, sizeof r, theirs.get(), 0))
            throw std::system_error(error, std::system_category(), "process_pool: asking the fork server for a worker");
        s.id = next_id_++;
        s.state = phase::starting;
        ++workers_alive_;
        frame_header h = options_.setup;
        payload arguments(options_.setup_arguments);
        h.kind = frame_kind::setup;
        h.size = arguments.size();
        static_cast<void>(send_frame(s.socket.get(), h, arguments)); // an error here is a death, and that is reported
    }
    catch (...) {
        const bool asked = s.state == phase::starting;
        if (!asked)
            s = slot{};
        respawn_at_ = clock::now() + respawn_delay;
        start_failed(std::current_exception(), done);
    }
}

/// It has run as many calls as it may: it leaves, and another takes its place.
void supervisor::retire(slot& s, finished_list& done)
{
    s = slot{}; // with its socket; its death will be that of nobody we know
    if (!terminated_ && !stopping_ && !broken_)
        spawn(s, done);
}

void supervisor::kill(slot& s) noexcept
{
    if (s.state == phase::none || s.status || lost_)
        return;
    const server_request r{.what = server_request::verb::kill, .id = s.id};
    static_cast<void>(send_message(control_.get(), &r, sizeof r, -1, 0));
}

} // namespace tandem::detail
