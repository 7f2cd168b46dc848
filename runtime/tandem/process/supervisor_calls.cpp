// How a call comes to a worker, and its answer back.

#include <tandem/base/errc.hpp>
#include <tandem/process/detail/supervisor.hpp>
#include <tandem/process/exception_codec.hpp>
#include <tandem/task/blocking.hpp>

#include <system_error>
#include <utility>

namespace tandem::detail {

supervisor::slot* supervisor::find_idle(bool direct) noexcept
{
    // One that needs no change of who reads its answers, if there is one.
    slot* found = nullptr;
    if (idle_ > 0)
        for (const auto& s : slots_)
            if (s->state == phase::idle && (!found || s->direct == direct)) {
                found = s.get();
                if (s->direct == direct)
                    break;
            }
    return found;
}

/// Gives a call to an idle worker. False when that worker turned out to be gone, and the call is still to be run.
bool supervisor::begin(slot& s, remote_task& t, bool direct, finished_list& done)
{
    const auto fail = [&](const std::exception_ptr& why) { done.push_back({&t, {.error = why, .value = {}}}); };
    if (!t.arguments.in_memory() && t.arguments.size() > shared_memory_threshold)
        try {
            t.arguments.finish(true);
        }
        catch (...) {
            fail(std::current_exception());
            return true;
        }
    if (!std::exchange(t.has_begun, true))
        t.begun();
    t.header.size = t.arguments.size();
    t.header.in_memory = t.arguments.in_memory();
    --idle_;
    s.state = phase::busy;
    s.task = &t;
    if (s.direct && !direct)
        wake();
    s.direct = direct;
    if (options_.task_timeout.count() > 0) {
        s.deadline = clock::now() + options_.task_timeout;
        if (s.deadline < poll_until_)
            wake();
    }
    if (direct)
        s.receiver.expect(s.mail.answers());
    mail_slot* const mail = s.mail.calls();
    const int error = mail && mail->put(t.header, t.arguments) ? 0 : send_frame(s.socket.get(), t.header, t.arguments);
    if (error == 0)
        return true; // the arguments are kept, for the case that the worker dies before it has read them
    s.task = nullptr;
    s.direct = false;
    s.doomed = true;
    s.closed = true;
    kill(s); // it is as good as dead; the report will come
    if (error == EPIPE || error == ECONNRESET)
        return false;
    fail(std::make_exception_ptr(std::system_error(error, std::system_category(), "sending a call to a worker")));
    return true;
}

/// The next call that wants to be run.
remote_task* supervisor::next_task(finished_list& done)
{
    while (remote_task* const t = queue_.pop()) {
        if (!t->cancelled())
            return t;
        done.push_back(
            {t, {.error = std::make_exception_ptr(operation_cancelled("the call was cancelled before it began")), .value = {}}});
    }
    return nullptr;
}

/// A worker has nothing to do: the next call, or idle.
void supervisor::released(slot& s, finished_list& done)
{
    s.task = nullptr;
    s.deadline = clock::time_point::max();
    if (s.doomed || s.closed) {
        s.state = phase::busy; // no longer to be had; worker_gone comes
        return;
    }
    if (options_.max_tasks != 0 && s.tasks >= options_.max_tasks) {
        retire(s, done);
        return;
    }
    s.state = phase::idle;
    ++idle_;
    while (s.state == phase::idle)
        if (remote_task* const t = next_task(done)) {
            if (!begin(s, *t, false, done))
                queue_.push_front(*t);
        }
        else
            break;
}

remote_outcome supervisor::outcome_of(slot& s) noexcept
{
    remote_outcome o;
    try {
        const frame_header& h = s.receiver.header();
        o.nanoseconds = h.nanoseconds;
        o.value = s.receiver.take();
        if (h.kind == frame_kind::error) {
            const payload_view bytes(o.value);
            decoder from(bytes.data(), bytes.size());
            o.error = decode_exception(from);
        }
    }
    catch (...) {
        o.error = std::current_exception();
    }
    return o;
}

void supervisor::answered(slot& s, remote_outcome&& o, finished_list& done)
{
    done.push_back({s.task, std::move(o)});
    ++s.tasks;
    released(s, done);
}

void supervisor::enqueue(remote_task& t, finished_list& done)
{
    if (terminated_ || broken_) {
        done.push_back({&t, {.error = terminated_ ? terminated_error() : broken_, .value = {}}});
        return;
    }
    // Behind those that wait, if any; there are none while a worker is idle.
    while (slot* const s = find_idle(false))
        if (begin(*s, t, false, done))
            return;
    queue_.push(t);
}

void supervisor::submit(remote_task& t) noexcept
{
    finished_list done;
    {
        const std::lock_guard lock(m_);
        t.number = next_number_++;
        enqueue(t, done);
    }
    finish(done);
}

void supervisor::run(remote_task& t) noexcept
{
    finished_list done;
    slot* s = nullptr;
    {
        const std::lock_guard lock(m_);
        t.number = next_number_++;
        // A limit of time is the thread's to watch, so there the thread reads.
        if (!terminated_ && !broken_ && options_.task_timeout.count() == 0) {
            s = find_idle(true);
            if (s && (!begin(*s, t, true, done) || !s->task)) {
                s = nullptr;
                if (done.empty())
                    enqueue(t, done);
            }
            else if (!s)
                enqueue(t, done);
        }
        else
            enqueue(t, done);
    }
    if (s) {
        frame_receiver::status status{};
        {
            const blocking_section section;
            try {
                status = s->receiver.receive(s->socket.get(), true);
            }
            catch (...) {
                status = frame_receiver::status::broken; // no memory
            }
        }
        remote_outcome o;
        if (status == frame_receiver::status::complete)
            o = outcome_of(*s);
        const std::lock_guard lock(m_);
        if (status == frame_receiver::status::complete) {
            answered(*s, std::move(o), done);
            if (s->status || s->doomed || s->closed) {
                s->direct = false;
                wake();
            }
        }
        else {
            // The thread goes on from here: it waits for the report, and finishes the call.
            s->closed = true;
            s->reset = status == frame_receiver::status::reset;
            if (status == frame_receiver::status::broken)
                kill(*s);
            s->deadline = clock::now() + std::chrono::seconds(1);
            s->direct = false;
            wake();
        }
    }
    finish(done);
}

} // namespace tandem::detail
