// What a supervisor's thread does: waiting for answers and reports, replacing workers, watching the time.

#include <tandem/process/detail/supervisor.hpp>
#include <tandem/process/exception_codec.hpp>

#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <pthread.h>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace tandem::detail {

namespace {

constexpr std::size_t most_failed_starts = 5;
constexpr unsigned most_attempts = 3;
constexpr auto respawn_delay = std::chrono::milliseconds(100); // after a fork that failed
constexpr auto grace = std::chrono::seconds(1); // between the end of a socket and the report, and for workers to leave

int milliseconds_until(std::chrono::steady_clock::time_point t)
{
    if (t == std::chrono::steady_clock::time_point::max())
        return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(t - std::chrono::steady_clock::now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, 60'000));
}

} // namespace

void supervisor::thread_main() noexcept
{
    sigset_t all;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, nullptr); // the program's handlers run on the program's threads
#if defined(__linux__)
    ::pthread_setname_np(::pthread_self(), (process_name_ + "-io").c_str());
#endif
    std::vector<pollfd> polled;
    std::vector<std::size_t> index; // the slot that a place of `polled` from 2 on is about
    bool leaving = false;
    finished_list done;
    for (;;) {
        int wait = -1;
        {
            const std::lock_guard lock(m_);
            for (const auto& s : slots_) {
                if (s->status && !s->direct)
                    worker_gone(*s, done);
                if (s->state == phase::none && clock::now() >= respawn_at_ && !terminated_ && !broken_)
                    spawn(*s, done);
            }
            check_deadlines();
            if (stopping_ && !std::exchange(leaving, true)) {
                for (const auto& s : slots_) {
                    s->socket = {}; // they see the end, and leave
                    s->doomed = true;
                }
                respawn_at_ = clock::time_point::max();
                poll_until_ = clock::now() + grace;
            }
            if (leaving) {
                if (lost_ || all_gone())
                    break;
                if (clock::now() >= poll_until_) {
                    for (const auto& s : slots_)
                        kill(*s); // those that retired before have had their time; the server kills them when we go
                    if (clock::now() >= poll_until_ + grace)
                        break;
                }
            }
            else {
                poll_until_ = terminated_ ? clock::time_point::max() : respawn_at_;
                for (const auto& s : slots_)
                    poll_until_ = std::min(poll_until_, s->deadline);
            }
            polled.assign({{lost_ ? -1 : control_.get(), POLLIN, 0}, {wake_read_.get(), POLLIN, 0}});
            index.clear();
            if (!leaving)
                for (std::size_t k = 0; k < slots_.size(); ++k)
                    if (const slot& s = *slots_[k]; s.state != phase::none && !s.closed && !s.direct) {
                        polled.push_back({s.socket.get(), POLLIN, 0});
                        index.push_back(k);
                    }
            if (woken_) { // what for, we have seen
                char drained[16];
                static_cast<void>(!::read(wake_read_.get(), drained, sizeof drained));
                woken_ = false;
            }
            wait = done.empty() ? leaving ? 10 : milliseconds_until(poll_until_) : 0;
        }
        finish(done);
        if (::poll(polled.data(), polled.size(), wait) < 0 && errno != EINTR)
            ::abort(); // no memory for a poll: nothing can be said to anybody
        for (std::size_t k = 0; k < index.size(); ++k)
            if (polled[k + 2].revents != 0)
                serve_socket(index[k]);
        if (polled[0].revents != 0)
            serve_control();
    }
    finish(done);
    const std::lock_guard lock(m_);
    lost_ = true;
    control_ = {}; // whoever still lives is killed by the server
}

void supervisor::serve_socket(std::size_t k)
{
    slot& s = *slots_[k];
    finished_list done;
    {
        const std::lock_guard lock(m_);
        if (s.direct || s.closed || s.state == phase::none)
            return;
        if (s.state == phase::idle) {
            // It has nothing to say: either it is gone, or the call that it ran writes to what is not its own.
            s.closed = true;
            s.doomed = true;
            s.state = phase::busy;
            --idle_;
            kill(s);
            return;
        }
    }
    // Starting or busy, and not read by a caller: ours alone, also without the lock.
    frame_receiver::status status = frame_receiver::status::broken;
    try {
        status = s.receiver.receive(s.socket.get(), false);
    }
    catch (...) { // no memory for what came
    }
    if (status == frame_receiver::status::would_block)
        return;
    remote_outcome o;
    if (status == frame_receiver::status::complete)
        o = outcome_of(s);
    {
        const std::lock_guard lock(m_);
        if (status != frame_receiver::status::complete) {
            s.closed = true;
            s.reset = status == frame_receiver::status::reset;
            s.deadline = clock::now() + grace;
            if (status == frame_receiver::status::broken)
                kill(s);
        }
        else if (s.state == phase::starting) {
            if (o.error) {
                s.doomed = true;
                s.closed = true;
                s.state = phase::busy;
                kill(s);
                break_down(o.error, done);
            }
            else {
                failed_starts_ = 0;
                s.pid = static_cast<int>(s.receiver.header().count);
                if (constructing_ && ++ready_at_first_ == options_.processes)
                    started_.notify_one();
                released(s, done);
            }
        }
        else if (s.task)
            answered(s, std::move(o), done);
        else
            s.closed = true;
    }
    finish(done);
}

void supervisor::serve_control()
{
    for (;;) {
        server_reply r;
        unique_fd none;
        const std::ptrdiff_t n = receive_message(control_.get(), &r, sizeof r, none, MSG_DONTWAIT);
        finished_list done;
        {
            const std::lock_guard lock(m_);
            if (n <= 0) {
                if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK))
                    server_lost(done);
            }
            else {
                const auto it = std::ranges::find_if(slots_, [&](const auto& s) { return s->id == r.id; });
                slot* const s = it == slots_.end() ? nullptr : it->get(); // null: one that retired
                if (r.what == server_reply::verb::spawned) {
                    if (s)
                        s->pid = r.pid;
                }
                else if (r.what == server_reply::verb::died) {
                    --workers_alive_;
                    if (s && s->direct && s->state == phase::busy) {
                        // The caller who reads must stop, even if some other process has the socket's other end too.
                        s->status = r.status;
                        ::shutdown(s->socket.get(), SHUT_RDWR);
                    }
                    else if (s) {
                        s->status = r.status;
                        worker_gone(*s, done);
                    }
                }
                else {
                    --workers_alive_;
                    if (s) {
                        *s = slot{};
                        respawn_at_ = clock::now() + respawn_delay;
                    }
                    start_failed(std::make_exception_ptr(
                                     std::system_error(r.status, std::system_category(), "process_pool: forking a worker")),
                        done);
                }
            }
        }
        finish(done);
        if (n <= 0)
            return;
    }
}

void supervisor::check_deadlines()
{
    if (stopping_)
        return;
    const clock::time_point now = clock::now();
    for (const auto& s : slots_)
        if (now >= s->deadline && !s->direct) {
            s->deadline = clock::time_point::max();
            if (!s->closed) {
                s->timed_out = true;
                s->doomed = true;
            }
            kill(*s);
        }
}

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
    bool reset = s.reset;
    remote_outcome o;
    bool answered_at_last = false;
    if (task && !s.closed) {
        // What it sent before it died still counts.
        try {
            const auto last = s.receiver.receive(s.socket.get(), false);
            answered_at_last = last == frame_receiver::status::complete;
            reset = last == frame_receiver::status::reset;
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
    else if (task && reset && ++task->attempts < most_attempts && !broken_)
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
