#include <tandem/base/errc.hpp>
#include <tandem/io/blocking.hpp>
#include <tandem/task/waiting.hpp>

#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <stdexcept>
#include <system_error>
#include <thread>

namespace tandem {

namespace detail {

struct blocking_call::kind {
    static job_kind::description describe(const job& j) noexcept
    {
        return {static_cast<const blocking_call&>(j).handle_, "a blocking call"};
    }
    static inline const job_kind known{&resume_task, &describe};
};

struct blocking_threads_state {
    explicit blocking_threads_state(const blocking_threads_options& o) : options(o) {}

    /// False when the call was cancelled before; throws when there is no thread and none can be made.
    bool submit(blocking_call& c);
    bool withdraw(blocking_call& c) noexcept;
    void serve() noexcept;
    void unlink(blocking_call& c) noexcept;

    const blocking_threads_options options;
    std::mutex m;
    std::condition_variable work;
    std::condition_variable gone;
    blocking_call* first = nullptr;
    blocking_call* last = nullptr;
    std::size_t queued = 0;
    std::size_t idle = 0;
    std::size_t threads = 0;
    bool stopping = false;
};

bool blocking_threads_state::submit(blocking_call& c)
{
    const std::lock_guard lock(m);
    if (c.state_ == blocking_call::state::cancelled)
        return false;
    if (queued >= idle && threads < options.limit) {
        try {
            std::thread([this] { serve(); }).detach();
            ++threads;
        }
        catch (const std::system_error&) {
            if (threads == 0)
                throw; // else one of those that there are will come to it
        }
    }
    c.state_ = blocking_call::state::queued;
    c.next_call_ = nullptr;
    c.previous_call_ = last;
    (last ? last->next_call_ : first) = &c;
    last = &c;
    ++queued;
    work.notify_one();
    return true;
}

void blocking_threads_state::unlink(blocking_call& c) noexcept
{
    (c.previous_call_ ? c.previous_call_->next_call_ : first) = c.next_call_;
    (c.next_call_ ? c.next_call_->previous_call_ : last) = c.previous_call_;
    --queued;
}

bool blocking_threads_state::withdraw(blocking_call& c) noexcept
{
    const std::lock_guard lock(m);
    if (c.state_ == blocking_call::state::called)
        return false;
    const bool was_queued = c.state_ == blocking_call::state::queued;
    c.state_ = blocking_call::state::cancelled;
    if (was_queued)
        unlink(c);
    return was_queued;
}

void blocking_threads_state::serve() noexcept
{
    std::unique_lock lock(m);
    for (;;) {
        if (blocking_call* const c = first) {
            unlink(*c);
            c->state_ = blocking_call::state::called;
            lock.unlock();
            c->call_(c);
            c->context_->post(*c); // and it may be gone
            lock.lock();
            continue;
        }
        if (stopping)
            break;
        ++idle;
        const bool more = work.wait_for(lock, options.idle, [this] { return first || stopping; });
        --idle;
        if (!more)
            break;
    }
    // Under the lock to the end: whoever waits for the last thread may destroy this object as soon as it is released.
    if (--threads == 0)
        gone.notify_all();
}

bool blocking_call::suspend(std::coroutine_handle<> h, environment& env)
{
    handle_ = h;
    context_ = env.ctx;
    // The way to be stopped comes first: once it is queued another thread may resume the task and destroy this object.
    stop_callback_.emplace(env.stop.get_token(), on_stop{this});
    return threads_.submit(*this);
}

void blocking_call::on_stop::operator()() const noexcept
{
    context* const c = self->context_;
    if (self->threads_.withdraw(*self))
        c->post(*self);
}

void blocking_call::finish()
{
    stop_callback_.reset(); // waits while it is just running
    if (state_ == state::cancelled)
        throw operation_cancelled("a task was asked to stop before its blocking call began");
}

void blocking_call::abandon() noexcept
{
    stop_callback_.reset();
    static_cast<void>(threads_.withdraw(*this));
    if (state_ != state::called)
        return;
    std::fputs("tandem: a coroutine was destroyed while its blocking call was under way\n", stderr);
    std::abort();
}

} // namespace detail

blocking_threads::blocking_threads(blocking_threads_options options)
{
    if (options.limit == 0)
        throw std::invalid_argument("blocking_threads: limit must be at least 1, not 0");
    state_ = std::make_unique<detail::blocking_threads_state>(options);
}

blocking_threads::~blocking_threads()
{
    std::unique_lock lock(state_->m);
    state_->stopping = true;
    state_->work.notify_all();
    state_->gone.wait(lock, [this] { return state_->threads == 0; });
}

std::size_t blocking_threads::size() const noexcept
{
    const std::lock_guard lock(state_->m);
    return state_->threads;
}

blocking_threads& default_blocking_threads()
{
    static auto* const threads = new blocking_threads; // a call may still be under way when the program's statics go
    return *threads;
}

} // namespace tandem
