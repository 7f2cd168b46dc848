// A resolver's lookup: the one operation of Asio's that cannot be cancelled once it has begun, and may take a minute.
#pragma once

#include <tandem/base/errc.hpp>
#include <tandem/sync/one_shot_event.hpp>
#include <tandem/task/frame_memory.hpp>
#include <tandem/task/task.hpp>

#include <asio/error.hpp>
#include <asio/error_code.hpp>

#include <atomic>
#include <coroutine>
#include <cstddef>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

namespace asio::ip {
template <class Protocol>
class basic_resolver_results;
} // namespace asio::ip

namespace tandem::detail {

template <class T>
inline constexpr bool is_lookup_result = false;
template <class Protocol>
inline constexpr bool is_lookup_result<asio::ip::basic_resolver_results<Protocol>> = true;
template <class... T>
inline constexpr bool is_lookup_result<std::tuple<T...>> = (is_lookup_result<T> || ...); // by as_tuple

template <class T>
inline constexpr bool gives_code = false;
template <class T>
inline constexpr bool gives_code<std::tuple<asio::error_code, T>> = true; // by as_tuple

/// What a lookup and the task that waits for it share; the last to leave destroys it. So the task can be stopped at once, and the lookup,
/// which has copies of all it needs, ends when it does.
template <class... Args>
class lookup_state {
public:
    static void* operator new(std::size_t size) { return frame_allocate(size); }
    static void operator delete(void* p, std::size_t size) noexcept { frame_free(p, size); }

    void release() noexcept
    {
        // acq_rel: the last one sees what the other did
        if (holders_.fetch_sub(1, std::memory_order_acq_rel) == 1)
            delete this;
    }

    one_shot_event ended;
    std::optional<std::tuple<std::decay_t<Args>...>> result; // none: the execution context has ended

private:
    std::atomic<int> holders_{2};
};

/// The completion handler: called once by Asio, or destroyed uncalled.
template <class... Args>
class lookup_handler {
public:
    explicit lookup_handler(lookup_state<Args...>& s) noexcept : state_(&s) {}
    lookup_handler(lookup_handler&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
    lookup_handler& operator=(lookup_handler&&) = delete;
    ~lookup_handler() { end(); }

    void operator()(Args... args)
    {
        state_->result.emplace(std::move(args)...);
        end();
    }

private:
    void end() noexcept
    {
        if (auto* const s = std::exchange(state_, nullptr)) {
            s->ended.set();
            s->release();
        }
    }

    lookup_state<Args...>* state_;
};

/// `Operation` begins the lookup: `operation.initiate(handler)`.
template <class Operation, class... Args>
class lookup_awaiter {
public:
    explicit lookup_awaiter(Operation& o) noexcept : operation_(o) {}
    lookup_awaiter(const lookup_awaiter&) = delete;
    lookup_awaiter& operator=(const lookup_awaiter&) = delete;
    ~lookup_awaiter()
    {
        wait_.reset();
        if (state_)
            state_->release();
    }

    [[nodiscard]] static constexpr bool await_ready() noexcept { return false; }

    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise> h)
    {
        state_ = new lookup_state<Args...>;
        operation_.initiate(lookup_handler<Args...>(*state_));
        return wait_.emplace(state_->ended, true).await_suspend(h);
    }

    /// What the handler got; throws operation_cancelled when the task was asked to stop first.
    std::tuple<std::decay_t<Args>...> take()
    {
        try {
            wait_->await_resume();
        }
        catch (const operation_cancelled&) {
            if constexpr (sizeof...(Args) == 1 && (gives_code<std::decay_t<Args>> && ...))
                return {std::tuple_element_t<0, std::tuple<std::decay_t<Args>...>>(asio::error::operation_aborted, {})};
            else
                throw;
        }
        if (!state_->result)
            throw operation_cancelled("a lookup was cancelled because its execution context ended");
        return std::move(*state_->result);
    }

private:
    Operation& operation_;
    lookup_state<Args...>* state_ = nullptr;
    std::optional<one_shot_event::awaiter> wait_;
};

} // namespace tandem::detail
