#pragma once

#include <tandem/pool/detail/applicable.hpp>
#include <tandem/pool/detail/result_state.hpp>
#include <tandem/task/awaitable.hpp>
#include <tandem/task/step_record.hpp>
#include <tandem/trace/observer.hpp>

#include <asio/async_result.hpp>

#include <coroutine>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

namespace tandem::detail {

/// A function and its arguments, kept until it is called, as copies.
template <class F, class Tuple>
struct bound_call {
    using raw_result = typename apply_result<F, Tuple>::type;

    decltype(auto) operator()() { return std::apply(std::move(f), std::move(arguments)); }

    F f;
    [[no_unique_address]] Tuple arguments;
};

/// A task that is there already, as a call.
template <class T>
struct bound_task {
    using raw_result = task<T>;
    task<T> operator()() { return std::move(t); }
    task<T> t;
};

template <class R>
struct call_value {
    using type = R;
    static constexpr bool is_coroutine = false;
};
template <awaitable A>
struct call_value<A> {
    using type = await_result_t<A>;
    static constexpr bool is_coroutine = true;
};

/// What the call gives in the end: a function's result, or what its task gives.
template <class Call>
using call_value_t = typename call_value<typename Call::raw_result>::type;

/// Nothing follows the call.
struct no_sequel {
    template <class R>
    void operator()(outcome<R>&, result_state_base&) noexcept
    {
    }
};

/// What a work that awaits nothing has in the place of a completion: eight bytes less.
struct no_completion {
    explicit no_completion(std::nullptr_t) noexcept {}
};
template <class Call>
using completion_of = std::conditional_t<call_value<typename Call::raw_result>::is_coroutine, completion, no_completion>;

/// A piece of root work: calls `Call`, awaits it if it gives a task, hands the outcome to `Sequel`, and makes the handle ready.
///
/// `Owner` is told when the work begins and when it has ended: `void begun() noexcept` and `void ended() noexcept`; it lives as long
/// as the handle. The call, its arguments, its frame and the sequel are destroyed before the handle becomes ready.
template <class Call, class Sequel, class Owner>
class work final : public result_state<call_value_t<Call>>, private completion_of<Call> {
    using R = call_value_t<Call>;
    using base = result_state<R>;
    static constexpr bool is_coroutine = call_value<typename Call::raw_result>::is_coroutine;

public:
    using value_type = R;

    work(Call&& c, Sequel&& s, Owner o, context& home, stop_token parent)
        : base(&run, home, parent)
        , completion_of<Call>(when_task_ends())
        , owner_(std::move(o))
        , sequel_(std::move(s))
        , call_(std::move(c))
    {
    }
    ~work()
    {
        if (this->execute_ == &run) // it never ran
            std::destroy_at(&call_);
    }
    work(const work&) = delete;
    work& operator=(const work&) = delete;
    /// For who has it as a base, and before it runs. When it has ended, `release` does it.
    static void destroy(job* j) noexcept { delete static_cast<work*>(static_cast<result_state_base*>(j)); }

    /// Just before the work is queued, when nothing can fail any more.
    void attach()
    {
        if constexpr (requires { sequel_->attach(*this); })
            sequel_->attach(*this);
    }

private:
    struct nothing {};
    template <class T>
    struct task_holder {
        using type = std::optional<task_for<T>>;
    };
    template <class T>
        requires(!is_coroutine)
    struct task_holder<T> {
        using type = nothing;
    };

    static void run(job* j) noexcept
    {
        auto* const self = static_cast<work*>(static_cast<result_state_base*>(j));
        self->owner_.begun();
        if (self->env.stop.stop_requested()) {
            self->base::result.set_error(std::make_exception_ptr(operation_cancelled("the call was cancelled before it began")));
            self->end();
        }
        else if constexpr (is_coroutine) {
            try {
                self->task_.emplace(as_task(self->call_()));
            }
            catch (...) {
                self->base::result.set_error(std::current_exception());
                self->end();
                return;
            }
            const std::coroutine_handle<> h = task_access::prepare(*self->task_, self->env, *self);
            now_runs(h);
            tandem::resume(h);
        }
        else {
            now_calls(*self);
            capture(self->base::result, self->call_);
            self->end();
        }
    }

    static constexpr auto when_task_ends() noexcept
    {
        if constexpr (is_coroutine)
            return &task_ended;
        else
            return nullptr;
    }
    static std::coroutine_handle<> task_ended(completion* c, const std::exception_ptr&) noexcept
    {
        auto* const self = static_cast<work*>(c);
        capture(self->base::result, [self]() -> R { return task_access::take(*self->task_); });
        self->task_.reset();
        self->end();
        return std::noop_coroutine();
    }

    void end() noexcept
    {
        std::destroy_at(&call_);
        this->env.stop.leave_parent(); // the handle may outlive the pool
        if constexpr (std::is_empty_v<Sequel>)
            sequel_(base::result, *this);
        else {
            (*sequel_)(base::result, *this);
            sequel_.reset();
        }
        if (observer* const o = current_observer())
            o->task_finished(this, base::result.error());
        Owner owner = owner_;
        base::become_ready(&destroy);
        base::release();
        owner.ended(); // last: with it the pool may be joined
    }

    Owner owner_;
    [[no_unique_address]] std::conditional_t<std::is_empty_v<Sequel>, Sequel, std::optional<Sequel>> sequel_;
    union { // until it has been called; whether it has, execute_ says
        Call call_;
    };
    [[no_unique_address]] typename task_holder<typename Call::raw_result>::type task_;
};

/// Calls the user's callbacks with the outcome; what they throw goes to the sink.
template <class Callback, class ErrorCallback>
struct callback_sequel {
    Callback on_value;
    ErrorCallback on_error;

    template <class R>
    void operator()(outcome<R>& o, result_state_base& state) noexcept
    {
        try {
            if (o.has_value()) {
                if constexpr (std::is_void_v<R>)
                    detail::invoke(on_value);
                else if constexpr (std::is_invocable_v<Callback&, const std::remove_reference_t<R>&>)
                    detail::invoke(on_value, std::as_const(*o));
                else
                    detail::invoke(on_value, *o);
            }
            else if constexpr (std::is_invocable_v<ErrorCallback&, std::exception_ptr>) {
                state.mark_seen();
                detail::invoke(on_error, o.error());
            }
        }
        catch (...) {
            state.env.ctx->unhandled().report(std::current_exception());
        }
    }
};

/// In place of an error callback.
struct no_error_callback {};

/// A completion token that is no plain handler. Some, as asio::use_future, can be called with anything, and give another token.
template <class C, class R>
inline constexpr bool is_proper_token =
    asio::completion_token_for<C, void(std::exception_ptr, R)> && !std::is_invocable_v<C&, std::exception_ptr, R>;

/// A function object that takes the value (or nothing, for void): a callback. Anything else is an Asio completion token.
template <class C, class R>
inline constexpr bool is_callback =
    (std::is_invocable_v<C&, const std::remove_reference_t<R>&> || std::is_invocable_v<C&, R&>) && !is_proper_token<C, R>;
template <class C>
inline constexpr bool is_callback<C, void> = std::is_invocable_v<C&>;

/// Whether C is a callback for `f(a...)`. False as well when `f` cannot be called so; that has its own message.
template <class C, class F, class Args>
inline constexpr bool is_callback_of = false;
template <class C, class F, class Args>
    requires is_applicable<F, typename Args::tuple>
inline constexpr bool is_callback_of<C, F, Args> = is_callback<C, call_value_t<bound_call<F, typename Args::tuple>>>;

/// False for a null function pointer, an empty std::function and the like: what can be made from nullptr, and compared with it.
template <class F>
bool is_callable(const F& f) noexcept
{
    if constexpr (std::is_pointer_v<F> || std::is_member_pointer_v<F> ||
                  (std::is_constructible_v<F, std::nullptr_t> && requires { f == nullptr; }))
        return !(f == nullptr);
    else
        return true;
}

template <class F>
void require_callable(const char* verb, const char* what, const F& f)
{
    if (!is_callable(f))
        throw std::invalid_argument(std::string(verb) + ": the " + what + " is empty");
}

/// The sequel that calls these callbacks with a result of type R.
template <class R, class Callback, class ErrorCallback>
auto callbacks(const char* verb, Callback then, ErrorCallback on_error)
{
    static_assert(is_callback<Callback, R>,
        "the callback must be callable with a reference to the result, or with nothing when the result is void");
    static_assert(std::is_same_v<ErrorCallback, no_error_callback> || std::is_invocable_v<ErrorCallback&, std::exception_ptr>,
        "the error callback must be callable with a std::exception_ptr");
    require_callable(verb, "callback", then);
    require_callable(verb, "error callback", on_error);
    return callback_sequel<Callback, ErrorCallback>{std::move(then), std::move(on_error)};
}

} // namespace tandem::detail
