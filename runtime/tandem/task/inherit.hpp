#pragma once
// What a task hands down to all that it awaits: its stop token, its name, and variables of the user's; and how to hand down others.

#include <tandem/task/awaitable.hpp>
#include <tandem/task/step_record.hpp>

#include <coroutine>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace tandem {

namespace detail {

template <class T, class Change>
class inheriting;

struct other_token {
    stop_token token;
    void apply(std::optional<environment>& e, environment& parent) noexcept { e.emplace(parent, token); }
};
struct added_token {
    struct on_stop {
        environment* env;
        void operator()() const noexcept { env->stop.request_stop(); }
    };
    explicit added_token(stop_token t) noexcept : token(t) {}
    added_token(added_token&& other) noexcept : token(other.token) {} // before it is applied
    void apply(std::optional<environment>& e, environment& parent) noexcept
    {
        callback.emplace(token, on_stop{&e.emplace(parent)});
    }
    void undo() noexcept { callback.reset(); }
    stop_token token;
    std::optional<stop_callback<on_stop>> callback;
};
struct shield {
    void apply(std::optional<environment>& e, environment& parent) noexcept { e.emplace(parent, parent.ctx->terminate_token()); }
};
template <class V>
struct other_local {
    const void* key;
    V value;
    local_binding binding{};
    void apply(std::optional<environment>& e, environment& parent) noexcept
    {
        binding = {key, std::addressof(value), parent.locals};
        e.emplace(parent).locals = &binding;
    }
};

extern const char task_name_key;

inline const void* find_local(const environment& e, const void* key) noexcept
{
    for (const local_binding* b = e.locals; b; b = b->outer)
        if (b->key == key)
            return b->value;
    return nullptr;
}

template <class V>
struct [[nodiscard("co_await it")]] local_awaiter : this_task::detail::environment_awaiter {
    explicit local_awaiter(const void* k) noexcept : key(k) {}
    [[nodiscard]] const V* await_resume() const noexcept { return static_cast<const V*>(find_local(*env, key)); }
    const void* key;
};
struct [[nodiscard("co_await it")]] name_awaiter : this_task::detail::environment_awaiter {
    [[nodiscard]] std::string_view await_resume() const noexcept
    {
        const auto* const name = static_cast<const std::string*>(find_local(*env, &task_name_key));
        return name ? std::string_view(*name) : std::string_view();
    }
};

} // namespace detail

/// Runs `a` as one that is asked to stop by `token` instead of by the awaiting task's.
template <awaitable A>
[[nodiscard("co_await it, or co_spawn it")]] auto with_stop_token(stop_token token, A a)
{
    return detail::inheriting<typename task_for<A>::value_type, detail::other_token>(as_task(std::move(a)), {token});
}

/// Runs `a` as one that is asked to stop by `token` as well as by the awaiting task's.
template <awaitable A>
[[nodiscard("co_await it, or co_spawn it")]] auto also_stopped_by(stop_token token, A a)
{
    return detail::inheriting<typename task_for<A>::value_type, detail::added_token>(
        as_task(std::move(a)), detail::added_token(token));
}

/// Runs `a` so that a stop request of the awaiting task does not reach it: for what must be finished once it was begun. (A pool's
/// `terminate` does reach it.)
template <awaitable A>
[[nodiscard("co_await it, or co_spawn it")]] auto shielded(A a)
{
    return detail::inheriting<typename task_for<A>::value_type, detail::shield>(as_task(std::move(a)), {});
}

/// Runs `a` under a name: what `this_task::name` gives in it and in all that it awaits.
template <awaitable A>
[[nodiscard("co_await it, or co_spawn it")]] auto named(std::string name, A a)
{
    return detail::inheriting<typename task_for<A>::value_type, detail::other_local<std::string>>(
        as_task(std::move(a)), {&detail::task_name_key, std::move(name)});
}

/// A variable with a value per task, inherited by what the task awaits, through combinators and scopes too, but not by what it spawns on a
/// pool. To be defined at namespace scope, or to outlive every task that uses it.
///
///     tandem::task_local<request_id> current_request;
///     co_await current_request.bind(id, handle(request));
///     if (const request_id* id = co_await current_request.get()) …
template <class V>
class task_local {
public:
    task_local() noexcept = default;
    task_local(const task_local&) = delete;
    task_local& operator=(const task_local&) = delete;

    /// Runs `a` with `value` as the variable's.
    template <awaitable A>
    [[nodiscard("co_await it, or co_spawn it")]] auto bind(V value, A a) const
    {
        return detail::inheriting<typename task_for<A>::value_type, detail::other_local<V>>(
            as_task(std::move(a)), {this, std::move(value)});
    }
    /// `co_await x.get()`: the value, which lives as long as the task that `bind` runs, or null. Never suspends. Cost: O(bindings).
    [[nodiscard]] auto get() const noexcept { return detail::local_awaiter<V>(this); }
};

namespace this_task {

/// `co_await this_task::name()`: what `named` gave to this task or to one above it; empty when none did. Never suspends.
[[nodiscard]] inline tandem::detail::name_awaiter name() noexcept { return {}; }

} // namespace this_task

// -----------------------------------------------------------------------------------------------

namespace detail {

template <class T, class Change>
class [[nodiscard("co_await it, or co_spawn it")]] inheriting {
public:
    inheriting(task<T>&& t, Change c) : task_(std::move(t)), change_(std::move(c)) {}

    class awaiter {
    public:
        explicit awaiter(inheriting& i) noexcept : owner_(i) {}
        ~awaiter()
        {
            if (env_) {
                owner_.task_ = {}; // destroyed in its wait: before the environment
                undo();
            }
        }
        [[nodiscard]] static constexpr bool await_ready() noexcept { return false; }
        template <class Promise>
        std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> h) noexcept
        {
            owner_.change_.apply(env_, environment_of(h));
            const std::coroutine_handle<> child = task_access::prepare(owner_.task_, *env_, std::coroutine_handle<>(h));
            now_runs(child);
            return transfer(child);
        }
        T await_resume()
        {
            undo();
            env_.reset();
            return task_access::take(owner_.task_);
        }

    private:
        void undo() noexcept
        {
            if constexpr (requires { owner_.change_.undo(); })
                owner_.change_.undo();
        }
        inheriting& owner_;
        std::optional<environment> env_;
    };
    awaiter operator co_await() && noexcept { return awaiter(*this); }

private:
    task<T> task_;
    Change change_;
};

} // namespace detail

} // namespace tandem
