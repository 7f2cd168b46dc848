// What a supervisor's thread does: waiting for answers and reports, and watching the time.

#include <tandem/process/detail/supervisor.hpp>
#include <tandem/process/exception_codec.hpp>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <pthread.h>
#include <system_error>
#include <utility>

namespace tandem::detail {

namespace {

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
                s.mail.open(o.value);
                o.value = payload(); // its descriptor goes before anybody is told
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

} // namespace tandem::detail
