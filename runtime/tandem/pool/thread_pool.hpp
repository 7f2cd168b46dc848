#pragma once

#include <tandem/pool/detail/kept_item.hpp>
#include <tandem/pool/pool_verbs.hpp>
#include <tandem/sched/scheduler.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <ranges>
#include <type_traits>
#include <utility>
#include <vector>

namespace tandem {

namespace detail {

struct join_once;

/// What a thread_pool is besides its verbs: the scheduler, the way in, the way out.
class thread_pool_core {
public:
    explicit thread_pool_core(thread_pool_options o);
    ~thread_pool_core();

    /// Lets one call in: throws pool_closed, waits for room in the queue. To be followed by `post` or by `ended`.
    void admit(const char* verb);
    /// The same without waiting; false when the queue is full.
    [[nodiscard]] bool try_admit(const char* verb);
    void check_open(const char* verb) const;
    void begun(bool queued_from_outside) noexcept;
    void ended() noexcept { sched.count_finished(); }

    /// Whether this thread runs the pool's work: one of its own, or one that helps with a map.
    [[nodiscard]] bool on_worker() const noexcept;
    void close() noexcept;
    void terminate() noexcept;
    void join();

    scheduler sched;
    stop_source stop;
    const bool has_initializer;

private:
    struct gate;
    [[nodiscard]] bool admit(const char* verb, bool wait);

    std::atomic<bool> closed_{false};
    std::atomic<bool> terminated_{false};
    std::unique_ptr<gate> gate_; // null without a queue limit
    std::unique_ptr<join_once> join_;
};

/// For the scope in which a thread that is not one of the pool's works along in a map: what it runs is inside the pool all the same, and
/// may submit after `close`, must not `join`, and so on.
class helper_scope {
public:
    explicit helper_scope(const thread_pool_core& c) noexcept;
    ~helper_scope();
    helper_scope(const helper_scope&) = delete;
    helper_scope& operator=(const helper_scope&) = delete;

private:
    friend thread_pool_core;
    const thread_pool_core* core_;
    const helper_scope* outer_;
};

/// The owner of a piece of work, as the work sees it.
class pool_ticket {
public:
    pool_ticket(thread_pool_core* core, bool from_outside) noexcept
        : core_(reinterpret_cast<std::uintptr_t>(core) + (from_outside ? is_from_outside : 0))
    {
    }
    [[nodiscard]] bool from_outside() const noexcept { return (core_ & is_from_outside) != 0; }
    void begun() const noexcept { core().begun(from_outside()); }
    void ended() const noexcept { core().ended(); }

private:
    static constexpr std::uintptr_t is_from_outside = 1;
    [[nodiscard]] thread_pool_core& core() const noexcept { return *reinterpret_cast<thread_pool_core*>(core_ & ~is_from_outside); }

    std::uintptr_t core_; // the address, and the mark
};

} // namespace detail

/// Python's `multiprocessing.dummy.Pool` in C++: a fixed number of threads that run functions and coroutines, in the blocking style and in
/// the asynchronous one. The threads are those of an asio::thread_pool, so sockets and timers on `context()` share them.
///
///     tandem::thread_pool pool{4};
///     std::vector<int> squares = pool.map([](int n) { return n * n; }, std::vector{0, 1, 2, 3});
///
/// Leaving the scope finishes the work: the destructor is `close` and `join`. Errors of construction: std::invalid_argument for
/// 0 threads; what an initializer throws, as it was thrown. Thread safety: every member from any thread, but for the destructor.
/// Cost of a call: one block of recycled memory and one step on a lock-free queue; no lock.
class thread_pool : public pool_verbs<thread_pool> {
public:
    thread_pool() : thread_pool(thread_pool_options{}) {} ///< one thread per core
    explicit thread_pool(std::size_t threads) : thread_pool(thread_pool_options{.threads = threads}) {}
    explicit thread_pool(thread_pool_options options);
    ~thread_pool();

    /// Lets no more calls in from outside; what runs in the pool may still submit, so that it can finish.
    void close() noexcept { core_->close(); }
    /// Lets no more calls in at all, and asks the rest to stop: calls that have not begun end with operation_cancelled, coroutines end
    /// at their next wait, plain functions that run already run to their end. Does not wait.
    void terminate() noexcept { core_->terminate(); }
    /// Blocks until every call has ended and the threads are gone; also waits for what was started on `context()` directly, unless the
    /// pool was terminated. Throws std::logic_error before `close` or `terminate`, and would_deadlock on a worker of the pool.
    void join() { core_->join(); }

    [[nodiscard]] std::size_t size() const noexcept { return core_->sched.size(); }
    [[nodiscard]] pool_stats stats() const noexcept;

    /// The Asio pool behind this one, for acceptors, sockets and timers: `asio::steady_timer t{pool.context()}`.
    [[nodiscard]] asio::thread_pool& context() noexcept { return core_->sched.asio_pool(); }
    /// The pool whose `context()` this is, or null when it is a plain Asio pool.
    [[nodiscard]] static thread_pool* of(asio::thread_pool& context) noexcept;
    [[nodiscard]] const asio::any_io_executor& get_executor() const noexcept { return *core_->sched.executor(); }

    // For implementers: what the verbs stand on. -------------------------------------------------

    using way_in = void (scheduler::*)(job&) noexcept;
    /// Submits a call and what follows it.
    template <class Call, class Sequel>
    auto launch(const char* verb, Call&& c, Sequel&& s, way_in way = &scheduler::submit)
    {
        auto* const w = make_work(std::forward<Call>(c), std::forward<Sequel>(s));
        unsubmitted kept(*w);
        core_->admit(verb);
        kept.release();
        return submit(*w, way);
    }
    template <class Call, class Sequel>
    auto try_launch(const char* verb, Call&& c, Sequel&& s)
    {
        auto* const w = make_work(std::forward<Call>(c), std::forward<Sequel>(s));
        unsubmitted kept(*w);
        std::optional<decltype(submit(*w))> handle;
        if (core_->try_admit(verb)) {
            kept.release();
            handle.emplace(submit(*w));
        }
        return handle;
    }
    /// Runs a call and blocks for its value.
    template <class Call>
    detail::call_value_t<Call> run_call(const char* verb, Call&& c)
    {
        if constexpr (!detail::call_value<typename Call::raw_result>::is_coroutine)
            if (on_worker()) {
                // Already where the call would run: no queue, no second thread, no deadlock.
                check_open(verb);
                return c();
            }
        return launch(verb, std::move(c), detail::no_sequel{}, &scheduler::submit_and_linger).get();
    }
    template <class F, class Range>
    auto run_map(const char* verb, F f, Range&& range, map_options options);
    [[nodiscard]] bool on_worker() const noexcept { return core_->on_worker(); }
    void check_open(const char* verb) const { core_->check_open(verb); }
    [[nodiscard]] tandem::context& run_context() noexcept { return core_->sched; }

private:
    // Destroys a work that was never let in. It is no std::unique_ptr, and no template: one for each kind of work is a tenth of the time
    // that a file full of verbs takes to compile.
    class unsubmitted {
    public:
        template <class Work>
        explicit unsubmitted(Work& w) noexcept : work_(&w), destroy_(&Work::destroy)
        {
        }
        ~unsubmitted()
        {
            if (work_)
                destroy_(work_);
        }
        unsubmitted(const unsubmitted&) = delete;
        unsubmitted& operator=(const unsubmitted&) = delete;
        void release() noexcept { work_ = nullptr; }

    private:
        job* work_;
        job::function* destroy_;
    };

    template <class Call, class Sequel>
    auto make_work(Call&& c, Sequel&& s)
    {
        return new detail::work<std::decay_t<Call>, std::decay_t<Sequel>, detail::pool_ticket>(std::forward<Call>(c),
            std::forward<Sequel>(s), detail::pool_ticket{core_.get(), !core_->on_worker()}, core_->sched, core_->stop.get_token());
    }
    template <class Work>
    auto submit(Work& w, way_in way = &scheduler::submit) noexcept
    {
        auto handle = make_async_result(static_cast<detail::result_state<typename Work::value_type>*>(&w));
        if (observer* const o = current_observer())
            o->task_submitted(&w);
        w.attach();
        (core_->sched.*way)(w);
        return handle;
    }

    std::unique_ptr<detail::thread_pool_core> core_;
};

// -----------------------------------------------------------------------------------------------

template <class F, class Range>
auto thread_pool::run_map(const char* verb, F f, Range&& range, map_options options)
{
    using view = std::views::all_t<Range>;
    if constexpr (detail::maps_tasks<view, F>) {
        auto mapped =
            detail::map_view<view, F>(std::views::all(std::forward<Range>(range)), std::move(f), detail::settings_of(options));
        using T = typename decltype(mapped)::value_type;
        return launch(verb, detail::bound_task<T>{std::move(mapped)}, detail::no_sequel{}).get();
    }
    else if constexpr (!std::ranges::random_access_range<view> || !std::ranges::sized_range<view>) {
        // Only one thread at a time can read such a range, so it is read first.
        core_->check_open(verb);
        std::vector<detail::kept_item<view>> items;
        for (auto&& i : range)
            items.emplace_back(std::forward<decltype(i)>(i));
        return run_map(
            verb, detail::call_with_kept<view, F>{std::move(f)}, std::ranges::owning_view(std::move(items)), std::move(options));
    }
    else {
        core_->admit(verb);
        const detail::pool_ticket ticket{core_.get(), !core_->on_worker()};
        struct admission {
            ~admission() { ticket.ended(); }
            const detail::pool_ticket& ticket;
        } const held{ticket};
        ticket.begun(); // a map does not wait in the queue itself

        view v = std::views::all(std::forward<Range>(range));
        const auto n = static_cast<std::size_t>(std::ranges::size(v));
        const detail::bulk_holder loop(new detail::map_loop<view, F>(
            v, f, n, options.chunk, core_->stop.get_token(), options.progress ? &options.progress : nullptr));
        if (n > 0) {
            // The calling thread takes the place of a worker; not in a pool of one, which is as good as a lock, nor if the workers
            // were initialised for the work.
            const bool takes_part = ticket.from_outside() ? size() > 1 && !core_->has_initializer : true;
            loop->start(core_->sched, takes_part ? size() - 1 : size(), takes_part);
            if (takes_part) {
                const detail::helper_scope inside(*core_);
                if (loop->participate())
                    loop->participate_later(core_->sched);
            }
            loop->done.wait();
        }
        if (loop->error()) {
            loop->results.clear();
            std::rethrow_exception(loop->error());
        }
        return std::move(loop->results).take();
    }
}

} // namespace tandem
