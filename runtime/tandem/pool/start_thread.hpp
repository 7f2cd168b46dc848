#pragma once

#include <tandem/pool/args.hpp>
#include <tandem/pool/async_result.hpp>
#include <tandem/pool/detail/work.hpp>
#include <tandem/task/sync_wait.hpp>

#include <memory>
#include <type_traits>
#include <utility>

namespace tandem {

namespace detail {

/// Starts a thread that runs `first` and then the loop until it is finished. Throws std::system_error when there is no thread to be had.
void run_on_new_thread(std::shared_ptr<run_loop> loop, job& first);

struct thread_ticket {
    void begun() const noexcept {}
    void ended() const noexcept { loop->finish(); }
    std::shared_ptr<run_loop> loop;
};

template <class F, class... A>
auto bind_thread(F&& f, args_t<A...>&& a)
{
    using tuple = typename args_t<A...>::tuple;
    static_assert(is_applicable<std::decay_t<F>, tuple>, "start_thread(f, args(a...)): f must be callable with copies of the "
                                                         "arguments; pass std::ref(x) where it takes a non-const reference");
    require_callable("start_thread", "function", f);
    return bound_call<std::decay_t<F>, tuple>{std::forward<F>(f), std::move(a.values)};
}

template <class Call, class Sequel>
auto launch_thread(Call c, Sequel s)
{
    using work = detail::work<Call, Sequel, thread_ticket>;
    auto loop = std::make_shared<run_loop>();
    std::unique_ptr<work> w(new work(std::move(c), std::move(s), thread_ticket{loop}, *loop, stop_token{}));
    run_on_new_thread(std::move(loop), *w);
    return make_async_result(static_cast<result_state<typename work::value_type>*>(w.release()));
}

} // namespace detail

/// Runs `f(a...)` on a thread of its own, as Python's `threading.Thread`: for the odd job that would keep a worker of a pool for long.
///
/// Returns the handle. Dropping it detaches: the thread runs on, and the program waits for it before it ends. `f` may be a coroutine
/// function: its steps run on that thread. Errors: std::system_error when no thread can be had; std::invalid_argument for
/// an empty function. Cost: a thread.
template <class F, class... A>
auto start_thread(F&& f, args_t<A...> a = {})
{
    return detail::launch_thread(detail::bind_thread(std::forward<F>(f), std::move(a)), detail::no_sequel{});
}
/// The same, and then `then(result)`, or `then()` for void, or `on_error(std::exception_ptr)`, on that thread.
template <class F, class... A, class Callback, class ErrorCallback = detail::no_error_callback>
auto start_thread(F&& f, args_t<A...> a, Callback then, ErrorCallback on_error = {})
{
    using R = detail::call_value_t<decltype(detail::bind_thread(std::forward<F>(f), std::move(a)))>;
    return detail::launch_thread(detail::bind_thread(std::forward<F>(f), std::move(a)),
        detail::callbacks<R>("start_thread", std::move(then), std::move(on_error)));
}

} // namespace tandem
