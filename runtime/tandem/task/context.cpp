#include <tandem/task/context.hpp>
#include <tandem/task/sync_wait.hpp>

#include <chrono>
#include <cstdio>
#include <thread>

namespace tandem {

error_sink::~error_sink() = default;

void error_sink::report(const std::exception_ptr& error) noexcept
{
    try {
        std::rethrow_exception(error);
    }
    catch (const std::exception& e) {
        std::fprintf(stderr, "tandem: unhandled exception: %s\n", e.what());
    }
    catch (...) {
        std::fputs("tandem: unhandled exception of a type not derived from std::exception\n", stderr);
    }
}

error_sink& context::unhandled() noexcept
{
    // Never destroyed: a task may end while the program's statics do.
    struct default_sink final : error_sink {};
    static error_sink* const sink = new default_sink;
    return *sink;
}

std::int64_t context::now_ns() const noexcept
{
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

namespace {

/// A loop on a thread of its own, for the timers of tasks that run wherever a foreign coroutine happens to. Never ends.
detail::run_loop& timer_thread()
{
    static detail::run_loop& loop = []() -> detail::run_loop& {
        auto* const l = new detail::run_loop;
        std::thread([l] { l->run(); }).detach();
        return *l;
    }();
    return loop;
}

// The jobs that were posted to the detached environment by the callbacks of a stop request that this thread delivers.
struct job_list {
    job* head;
    job* tail;
};
constinit thread_local job_list jobs_after_delivery{};

void run_jobs_after_delivery() noexcept
{
    while (job* const j = jobs_after_delivery.head) {
        jobs_after_delivery.head = j->next_;
        j->execute();
    }
}

struct inline_context final : context {
    void post(job& j) noexcept override
    {
        if (!detail::call_after_delivery(&run_jobs_after_delivery)) {
            j.execute();
            return;
        }
        j.next_ = nullptr;
        job_list& l = jobs_after_delivery;
        (l.head ? l.tail->next_ : l.head) = &j;
        l.tail = &j;
    }
    bool start_timer(timer& t) noexcept override { return timer_thread().start_timer(t); }
    bool stop_timer(timer& t) noexcept override { return timer_thread().stop_timer(t); }
};

} // namespace

environment& detached_environment() noexcept
{
    static inline_context ctx;
    static environment env{ctx, stop_token{}};
    return env;
}

} // namespace tandem
