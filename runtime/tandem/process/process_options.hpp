#pragma once

#include <tandem/base/unique_function.hpp>
#include <tandem/pool/args.hpp>
#include <tandem/pool/options.hpp>
#include <tandem/process/remote_function.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>
#include <type_traits>
#include <utility>

namespace tandem {

/// What every worker runs before it takes work: a function that can cross, with its arguments if it has any.
///
///     process_pool_options{.initializer = load_tables}        process_pool_options{.initializer = {open_log, args("a.log")}}
class worker_initializer {
public:
    worker_initializer() noexcept = default; ///< nothing
    template <class F, class... A>
        requires(!std::is_same_v<std::decay_t<F>, worker_initializer>)
    worker_initializer(const F& f, args_t<A...> a = {}) // NOLINT: implicit, for designated initialisers
    {
        using tuple = typename args_t<A...>::tuple;
        static_assert(std::is_invocable_v<std::decay_t<F>, std::unwrap_ref_decay_t<A>...>,
            "initializer: it must be callable with copies of the arguments");
        detail::check_call<std::decay_t<F>, tuple>();
        detail::payload bytes;
        detail::encode_call(header_, bytes, static_cast<const std::decay_t<F>&>(f), a.values);
        arguments_ = detail::bytes_of(bytes);
    }

    // For implementers.
    [[nodiscard]] const detail::frame_header& header() const noexcept { return header_; }
    [[nodiscard]] const std::string& arguments() const noexcept { return arguments_; }

private:
    detail::frame_header header_;
    std::string arguments_;
};

struct process_pool_options {
    std::size_t processes = default_thread_count(); ///< how many workers, 1 to 1024
    std::string name = {};                          ///< in messages, and of the processes; "pool" if empty
    worker_initializer initializer = {};            ///< runs in every worker, those that replace others too, before it takes work
    std::uint64_t max_tasks_per_worker = 0; ///< then a worker is replaced by a fresh one; 0: never. A chunk of items counts as one
    std::chrono::nanoseconds task_timeout{0}; ///< a call (or chunk) that takes longer has its worker killed; 0: no limit
    std::size_t queue_limit = 0;              ///< calls from outside that may wait in the queue; 0: no limit
    unique_function<void(std::exception_ptr)> unhandled = {}; ///< takes errors nobody sees; default: a line on stderr. Any thread
};

/// A snapshot of a process pool. The counts are of calls, and one for each map.
struct process_pool_stats {
    std::size_t processes = 0;   ///< the pool's size
    std::uint64_t started = 0;   ///< workers since the beginning, those that replaced others too
    std::uint64_t submitted = 0; ///< calls accepted since the start
    std::uint64_t completed = 0; ///< calls that have ended, with a value or an error
    std::uint64_t pending = 0;   ///< the difference: queued or running
};

} // namespace tandem
