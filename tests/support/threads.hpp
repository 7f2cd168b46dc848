// Threads for tests: with a chosen stack, all at once, and set off together round after round.
#pragma once

#include <tandem/base/config.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <exception>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <pthread.h>
#include <sched.h>

namespace tandem::test {

/// How often to do something that takes long when instrumented: `n` times, but fewer under a sanitizer.
[[nodiscard]] constexpr int scaled(int n, int under_asan, int under_tsan) noexcept
{
    return TANDEM_TSAN ? under_tsan : TANDEM_ASAN ? under_asan : n;
}

/// Keeps this thread on the `n`-th processor that the process may use, counted round. Threads that race must not share one.
inline void stay_on_processor(std::size_t n)
{
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    sched_getaffinity(0, sizeof allowed, &allowed);
    n %= static_cast<std::size_t>(CPU_COUNT(&allowed));
    for (std::size_t cpu = 0;; ++cpu)
        if (CPU_ISSET(cpu, &allowed) && n-- == 0) {
            CPU_ZERO(&allowed);
            CPU_SET(cpu, &allowed);
            break;
        }
    pthread_setaffinity_np(pthread_self(), sizeof allowed, &allowed);
}

/// Runs each of the functions on a thread of its own, on processors of their own as far as there are; returns when all have ended, and rethrows what the first of them threw.
template <class... F>
void on_threads(F&&... functions)
{
    std::vector<std::exception_ptr> errors(sizeof...(F));
    std::vector<std::thread> threads;
    const auto start = [&](auto& f) {
        threads.emplace_back([&f, n = threads.size(), &error = errors[threads.size()]] {
            stay_on_processor(n);
            try {
                f();
            }
            catch (...) {
                error = std::current_exception();
            }
        });
    };
    (start(functions), ...);
    for (std::thread& t : threads)
        t.join();
    for (const std::exception_ptr& e : errors)
        if (e)
            std::rethrow_exception(e);
}

/// Runs `f` on `n` threads at once, each with its number.
template <class F>
void on_each_of(int n, F f)
{
    std::vector<std::thread> threads;
    for (int k = 0; k < n; ++k)
        threads.emplace_back([&f, k] { f(k); });
    for (std::thread& t : threads)
        t.join();
}

/// Runs `f` on a thread that has a stack of `bytes`; rethrows what it threw.
template <class F>
void on_stack_of(std::size_t bytes, F&& f)
{
    struct call {
        static void* run(void* self) noexcept
        {
            auto* const c = static_cast<call*>(self);
            try {
                c->f();
            }
            catch (...) {
                c->error = std::current_exception();
            }
            return nullptr;
        }
        F& f;
        std::exception_ptr error;
    } c{f, nullptr};
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, bytes);
    pthread_t thread;
    const int failed = pthread_create(&thread, &attributes, &call::run, &c);
    pthread_attr_destroy(&attributes);
    if (failed)
        throw std::system_error(failed, std::generic_category(), "pthread_create");
    pthread_join(thread, nullptr);
    if (c.error)
        std::rethrow_exception(c.error);
}

/// Threads that are started in its scope by others, the library say, have a stack of `bytes`.
class default_stack {
public:
    explicit default_stack(std::size_t bytes)
    {
        pthread_getattr_default_np(&before_);
        pthread_attr_t attributes;
        pthread_attr_init(&attributes);
        // ThreadSanitizer keeps a lot in thread-locals, which lie in the same piece of memory.
        pthread_attr_setstacksize(&attributes, bytes + (TANDEM_TSAN ? 1 << 20 : 0));
        if (const int failed = pthread_setattr_default_np(&attributes))
            throw std::system_error(failed, std::generic_category(), "pthread_setattr_default_np");
        pthread_attr_destroy(&attributes);
    }
    ~default_stack()
    {
        pthread_setattr_default_np(&before_);
        pthread_attr_destroy(&before_);
    }
    default_stack(const default_stack&) = delete;
    default_stack& operator=(const default_stack&) = delete;

private:
    pthread_attr_t before_;
};

/// Sets `n` threads off together, round after round, to within some ten nanoseconds when each has a core: they spin.
class start_line {
public:
    explicit start_line(int n) noexcept : runners_(n) {}

    void wait() noexcept
    {
        const int round = round_.load(std::memory_order_relaxed);
        if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == runners_) {
            arrived_.store(0, std::memory_order_relaxed);
            round_.store(round + 1, std::memory_order_release);
            return;
        }
        for (int spins = 0; round_.load(std::memory_order_acquire) == round; ++spins)
            if (spins < 10'000)
                detail::cpu_relax();
            else
                std::this_thread::yield();
    }

private:
    const int runners_;
    std::atomic<int> arrived_{0};
    std::atomic<int> round_{0};
};

/// Keeps this thread busy.
inline void spin_for(std::chrono::nanoseconds d) noexcept
{
    const auto until = std::chrono::steady_clock::now() + d;
    while (std::chrono::steady_clock::now() < until)
        detail::cpu_relax();
}

/// Some time up to about `most` nanoseconds, spent spinning: moves the moment of a race about. A cheap generator, one per thread.
class jitter {
public:
    explicit jitter(unsigned seed) noexcept : state_(seed * 2654435761u + 1) {}

    [[nodiscard]] unsigned below(unsigned n) noexcept
    {
        state_ = state_ * 6364136223846793005u + 1442695040888963407u;
        return static_cast<unsigned>(state_ >> 33) % n;
    }
    void spin(unsigned most) noexcept { spin_for(std::chrono::nanoseconds(below(most + 1))); }

private:
    unsigned long long state_;
};

/// Longer than anything takes that does not hang, on a slow machine that has other things to do as well.
inline constexpr std::chrono::seconds very_long(240);

/// Waits until `what()` is true, for what another thread will do soon; false when that takes for ever.
template <class F>
[[nodiscard]] bool eventually(F what)
{
    const auto deadline = std::chrono::steady_clock::now() + very_long;
    while (!what()) {
        if (std::chrono::steady_clock::now() > deadline)
            return false;
        std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
    return true;
}

} // namespace tandem::test
