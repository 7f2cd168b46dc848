#pragma once

#include <tandem/io/executor.hpp>
#include <tandem/pool/pool_verbs.hpp>

#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/dispatch.hpp>
#include <asio/prefer.hpp>

#include <exception>
#include <type_traits>
#include <utility>

// Lets the verbs of a pool, and co_spawn, take any Asio completion token: use_future, use_awaitable, deferred, bind_executor(…), a plain
// handler. Include it where such a token is passed.

namespace tandem::detail {

/// Completes an Asio handler with the outcome of a call, on the handler's associated executor.
template <class Handler>
struct handler_sequel {
    using executor = asio::associated_executor_t<Handler, asio::any_io_executor>;

    template <class Launcher>
    handler_sequel(Handler&& h, const Launcher& l)
        : work(asio::prefer(
              asio::get_associated_executor(h, executor_of(l.run_context())), asio::execution::outstanding_work.tracked))
        , ex(asio::get_associated_executor(h, executor_of(l.run_context())))
        , handler(std::move(h))
    {
        if constexpr (std::is_same_v<executor, asio::any_io_executor>)
            in_pool = l.run_context().work_stealing() && ex == *l.run_context().executor();
    }

    /// The handler's cancellation slot cancels the call.
    void attach(result_state_base& state)
    {
        auto slot = asio::get_associated_cancellation_slot(handler);
        if (slot.is_connected())
            slot.template emplace<canceller>(state);
    }

    template <class R>
    void operator()(outcome<R>& o, result_state_base& state) noexcept
    {
        state.mark_seen();
        try {
            auto complete = [h = std::move(handler), o = std::move(o)]() mutable {
                // Asio: no emission while the completion handler runs, and none may reach the call after it.
                if (auto slot = asio::get_associated_cancellation_slot(h); slot.is_connected())
                    slot.clear();
                if constexpr (std::is_void_v<R>)
                    std::move(h)(o.error());
                else if (std::exception_ptr error = o.error()) {
                    static_assert(std::is_default_constructible_v<R>,
                        "a completion token needs a result with a default constructor, to pass "
                        "beside an error; use a callback or the handle");
                    std::move(h)(std::move(error), R{});
                }
                else
                    std::move(h)(std::exception_ptr{}, std::move(*o));
            };
            // In the pool already: called here, since what a handler throws on an Asio pool ends the program.
            if (in_pool)
                complete();
            else
                asio::dispatch(ex, std::move(complete));
        }
        catch (...) {
            state.env.ctx->unhandled().report(std::current_exception());
        }
    }

    class canceller {
    public:
        explicit canceller(result_state_base& s) noexcept : state_(&s) { s.add_reference(); }
        canceller(canceller&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
        canceller& operator=(canceller&&) = delete;
        ~canceller()
        {
            if (state_)
                state_->release();
        }
        void operator()(asio::cancellation_type) const noexcept
        {
            // The stop may end the call, whose handler clears the slot and with it destroys this object, while we are in here.
            result_state_base* const s = state_;
            s->add_reference();
            s->env.stop.request_stop();
            s->release();
        }

    private:
        result_state_base* state_;
    };

    // Destroyed last: once the handler has run and this is gone, nothing keeps the executor's context alive.
    std::decay_t<decltype(asio::prefer(std::declval<const executor&>(), asio::execution::outstanding_work.tracked))> work;
    executor ex;
    Handler handler;
    bool in_pool = false; // the handler's executor is that of the pool which runs the call
};

} // namespace tandem::detail
