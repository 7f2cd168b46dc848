#pragma once

#if !defined(__linux__) && !defined(__FreeBSD__) && !defined(__NetBSD__) && !defined(__OpenBSD__)
#error                                                                                                                             \
    "tandem::process_pool is not available on this system: it needs fork and Unix sockets of type SOCK_SEQPACKET; use tandem::thread_pool"
#endif

#include <tandem/pool/pool_verbs.hpp>
#include <tandem/process/codec.hpp>
#include <tandem/process/detail/supervisor.hpp>
#include <tandem/process/errors.hpp>
#include <tandem/process/process_options.hpp>
#include <tandem/process/process_server.hpp>
#include <tandem/process/remote_map.hpp>
#include <tandem/process/remote_work.hpp>

#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <ranges>
#include <type_traits>
#include <utility>
#include <vector>

namespace tandem {

namespace detail {

class process_pool_core {
public:
    explicit process_pool_core(process_pool_options o);
    ~process_pool_core();

    void terminate() noexcept;
    void join();

    thread_pool_core parent; // in this process: the way in, callbacks, decoding
    supervisor workers;

private:
    std::mutex joining_;
};

/// What kind of call it is that a verb launches, by its type.
template <class Call>
struct remote_call {
    static_assert(!std::is_same_v<Call, Call>, "a process pool runs functions; a task stays in the process where it was made");
};
template <class F, class Tuple>
struct remote_call<bound_call<F, Tuple>>;
template <class View, class F>
struct remote_call<imap_call<View, F>>;

template <class T>
inline constexpr bool is_owned_map = false;
template <class F, class View>
inline constexpr bool is_owned_map<owned_map<F, View>> = true;

} // namespace detail

/// Python's `multiprocessing.Pool` in C++: a fixed number of processes that run functions, with the verbs of thread_pool. A call that
/// crashes takes its worker with it and nothing else: it ends with worker_died, the worker is replaced, the rest goes on.
///
///     tandem::process_pool procs{4};
///     std::vector<int> squares = procs.map([](int n) { return n * n; }, std::vector{0, 1, 2, 3});
///
/// What crosses: function pointers, lambdas without captures and empty function objects; arguments and results with a codec<T>, as
/// copies. Workers see the program's globals as they were when the fork server started (process_server), and share nothing
/// with each other. Coroutine functions run to their end in the worker. Callbacks run in this process, on the pool's threads.
///
/// Errors, besides those of the verbs: worker_died, timeout_error after `task_timeout`, codec_error, and for exceptions of types that
/// cannot cross remote_error. `map` runs chunks of items in each worker, so a death there ends the map; for items that may crash take
/// imap, or apply_async. `cancel` reaches calls that have not begun. `terminate` kills the workers: calls that run end with
/// operation_cancelled.
/// Errors of construction: std::invalid_argument; what the initializer throws, as it was thrown; std::logic_error when the program
/// has other threads and process_server::start was not called before.
/// Thread safety: every member from any thread, but for the destructor. Cost of `apply`: no system call while caller and worker are both
/// awake and the values are small (1 KiB encoded), else those of a socket. Who waits looks for 30 us before it sleeps, if that pays.
class process_pool : public pool_verbs<process_pool> {
public:
    process_pool() : process_pool(process_pool_options{}) {} ///< one worker per core
    explicit process_pool(std::size_t processes) : process_pool(process_pool_options{.processes = processes}) {}
    explicit process_pool(process_pool_options options);
    ~process_pool();

    /// Lets no more calls in from outside; callbacks may still submit.
    void close() noexcept { core_->parent.close(); }
    /// Lets no more calls in at all, and ends the rest with operation_cancelled; workers are killed. Does not wait.
    void terminate() noexcept { core_->terminate(); }
    /// Blocks until every call has ended and the workers are gone. Throws std::logic_error before `close` or `terminate`, and
    /// would_deadlock in a callback.
    void join() { core_->join(); }

    [[nodiscard]] std::size_t size() const noexcept { return core_->workers.size(); }
    [[nodiscard]] process_pool_stats stats() const noexcept;
    /// The process ids of the workers that are ready or busy just now.
    [[nodiscard]] std::vector<int> pids() const { return core_->workers.pids(); }

    // For implementers: what the verbs stand on. -------------------------------------------------

    template <class Call, class Sequel>
    auto launch(const char* verb, Call&& c, Sequel&& s)
    {
        if constexpr (detail::is_owned_map<std::decay_t<Call>>)
            return launch_map(verb, std::forward<Call>(c), std::forward<Sequel>(s));
        else {
            auto w = make_work<std::decay_t<Call>>(verb, std::forward<Sequel>(s));
            core_->parent.admit(verb);
            return submit(std::move(w), c, [this](auto& task) { core_->workers.submit(task); });
        }
    }
    template <class Call, class Sequel>
    auto try_launch(const char* verb, Call&& c, Sequel&& s)
    {
        auto w = make_work<std::decay_t<Call>>(verb, std::forward<Sequel>(s));
        const auto go = [this](auto& task) { core_->workers.submit(task); };
        using handle = decltype(submit(std::move(w), c, go));
        return core_->parent.try_admit(verb) ? std::optional<handle>(submit(std::move(w), c, go)) : std::nullopt;
    }
    template <class Call>
    auto run_call(const char* verb, Call&& c)
    {
        auto w = make_work<std::decay_t<Call>>(verb, detail::no_sequel{});
        core_->parent.admit(verb);
        w->decode_on_arrival();
        return submit(std::move(w), c, [this](auto& task) { core_->workers.run(task); }).get();
    }
    template <class F, class Range>
    auto run_map(const char* verb, F f, Range&& range, map_options options)
    {
        using view = std::views::all_t<Range>;
        detail::check_items<view, F>();
        core_->parent.admit(verb);
        struct admission {
            ~admission() { ticket.ended(); }
            const detail::pool_ticket ticket;
        } const held{ticket()};
        held.ticket.begun(); // a map does not wait in the queue itself
        // On this thread, which would only wait: it encodes, decodes and puts together.
        return sync_wait(detail::map_in_workers(
                             std::views::all(std::forward<Range>(range)), std::move(f), verb, std::move(options), core_->workers),
            core_->parent.stop.get_token());
    }
    [[nodiscard]] bool on_worker() const noexcept { return core_->parent.on_worker(); }
    void check_open(const char* verb) const { core_->parent.check_open(verb); }
    [[nodiscard]] tandem::context& run_context() noexcept { return core_->parent.sched; }

private:
    template <class Call, class Sequel>
    auto make_work(const char* verb, Sequel&& s)
    {
        detail::remote_call<Call>::check();
        using work = detail::remote_work<typename detail::remote_call<Call>::value, std::decay_t<Sequel>>;
        return std::unique_ptr<work>(
            new work(verb, std::forward<Sequel>(s), ticket(), core_->parent.sched, core_->parent.stop.get_token()));
    }
    template <class Work, class Call, class Go>
    static auto submit(std::unique_ptr<Work>&& w, Call& c, Go go) noexcept
    {
        Work* const p = w.release();
        auto handle = make_async_result(static_cast<detail::result_state<typename Work::value_type>*>(p));
        if (observer* const o = current_observer())
            o->task_submitted(p);
        p->attach();
        try {
            detail::remote_call<Call>::encode(*p, c);
        }
        catch (...) {
            std::exception_ptr why = detail::codec_error_from("an argument could not be encoded", std::current_exception());
            p->begun();
            p->finish({.error = std::move(why), .value = {}});
            return handle;
        }
        go(static_cast<detail::remote_task&>(*p));
        return handle;
    }

    template <class View, class F, class Sequel>
    auto start_map(const char* verb, View v, F f, map_options o, Sequel&& s)
    {
        auto task = detail::map_in_workers(std::move(v), std::move(f), verb, std::move(o), core_->workers);
        using call = detail::bound_task<typename decltype(task)::value_type>;
        using work = detail::work<call, std::decay_t<Sequel>, detail::pool_ticket>;
        std::unique_ptr<work> w(new work(
            call{std::move(task)}, std::forward<Sequel>(s), ticket(), core_->parent.sched, core_->parent.stop.get_token()));
        core_->parent.admit(verb);
        work* const p = w.release();
        auto handle = make_async_result(static_cast<detail::result_state<typename work::value_type>*>(p));
        if (observer* const ob = current_observer())
            ob->task_submitted(p);
        p->attach();
        core_->parent.sched.post(*p);
        return handle;
    }
    template <class F, class View, class Sequel>
    auto launch_map(const char* verb, detail::owned_map<F, View>&& m, Sequel&& s)
    {
        detail::check_items<View, F>();
        return start_map(verb, std::move(m.items), std::move(m.f), std::move(m.options), std::forward<Sequel>(s));
    }

    [[nodiscard]] detail::pool_ticket ticket() const noexcept { return {&core_->parent, !core_->parent.on_worker()}; }

    std::unique_ptr<detail::process_pool_core> core_;
};

// -----------------------------------------------------------------------------------------------

namespace detail {

template <class F, class Tuple>
struct remote_call<bound_call<F, Tuple>> {
    using result = call_value_t<bound_call<F, Tuple>>;
    using value = std::remove_cvref_t<result>;

    static constexpr void check() noexcept
    {
        check_call<F, Tuple>();
        static_assert(std::is_void_v<value> || is_sendable<value>,
            "this result cannot cross back from a worker process: pointers and views do not; give the type a cereal "
            "`serialize`, or specialise tandem::codec");
    }
    static void encode(remote_task& t, bound_call<F, Tuple>& c)
    {
        encode_call(t.header, t.arguments, c.f, c.arguments);
        name_function<F>(t);
    }
};

template <class View, class F>
struct remote_call<imap_call<View, F>> {
    using value = typename imap_call<View, F>::chunk;

    static constexpr void check() noexcept { check_items<View, F>(); }
    static void encode(remote_task& t, imap_call<View, F>& c)
    {
        set_function(t, &run_imap_chunk<View, F>, *c.f);
        t.header.count = c.items.size();
        encoder to;
        for (auto& i : c.items) {
            const sent_item<View>& item = i.give();
            if constexpr (sent_as_block<View>)
                to.write(&item, sizeof item);
            else
                codec<sent_item<View>>::encode(to, item);
        }
        t.arguments = std::move(to).finish();
    }
};

} // namespace detail

} // namespace tandem
