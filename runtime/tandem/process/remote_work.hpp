// For implementers of process pools; users include <tandem/process/process_pool.hpp>.
#pragma once

#include <tandem/pool/async_result.hpp>
#include <tandem/pool/imap.hpp>
#include <tandem/pool/thread_pool.hpp>
#include <tandem/process/detail/remote_task.hpp>
#include <tandem/process/detail/supervisor.hpp>
#include <tandem/process/worker_call.hpp>
#include <tandem/trace/observer.hpp>

#include <optional>
#include <type_traits>
#include <utility>

namespace tandem::detail {

/// Calls `read` with a decoder of a result that came back, all of which it must read.
template <class F>
void decode_result(const payload& value, F read)
{
    decode_all(value, "the result could not be decoded", std::move(read));
}

/// A result that came back, or the error, into an outcome.
template <class R>
void decode_outcome(outcome<R>& into, remote_outcome&& o) noexcept
{
    if (o.error) {
        into.set_error(std::move(o.error));
        return;
    }
    try {
        decode_result(o.value, [&](decoder& from) {
            if constexpr (std::is_void_v<R>)
                into.emplace();
            else
                into.emplace(codec<R>::decode(from));
        });
    }
    catch (...) {
        into.set_error(std::current_exception());
    }
}

/// Whether a sequel is ours alone, short, and under no risk of blocking.
template <class Sequel>
inline constexpr bool is_prompt = false;
template <>
inline constexpr bool is_prompt<no_sequel> = true;
template <class R>
inline constexpr bool is_prompt<imap_sequel<R>> = true;

/// A call in a worker, its handle, and what follows it: the counterpart of `work`, of which it keeps the order. `R` is an object type
/// or void.
template <class R, class Sequel>
class remote_work final : public result_state<R>, public remote_task {
    using base = result_state<R>;

public:
    using value_type = R;

    remote_work(const char* v, Sequel&& s, pool_ticket t, context& home, stop_token parent)
        : base(&run_on_scheduler, home, parent), ticket_(t), sequel_(std::move(s))
    {
        verb = v;
    }

    /// Just before it is queued, when nothing can fail any more.
    void attach()
    {
        if constexpr (requires { sequel_->attach(*this); })
            sequel_->attach(*this);
    }

    /// The reader of the result waits for it: decode it where it arrives.
    void decode_on_arrival() noexcept { on_arrival_ = true; }

    void finish(remote_outcome&& o) noexcept override
    {
        // What runs the program's code for long, or may block, has no place on the thread that serves all workers.
        if (is_prompt<Sequel> && (on_arrival_ || o.value.size() <= 4096))
            end(std::move(o));
        else {
            outcome_.emplace(std::move(o));
            this->env.ctx->post(*this);
        }
    }
    [[nodiscard]] bool cancelled() const noexcept override { return this->env.stop.stop_requested(); }
    void begun() noexcept override { ticket_.begun(); }

private:
    static void destroy(job* j) noexcept { delete static_cast<remote_work*>(static_cast<result_state_base*>(j)); }
    static void run_on_scheduler(job* j) noexcept
    {
        auto* const self = static_cast<remote_work*>(static_cast<result_state_base*>(j));
        self->end(std::move(*self->outcome_));
    }

    void end(remote_outcome&& o) noexcept
    {
        decode_outcome(base::result, std::move(o));
        outcome_.reset();
        remote_task::arguments = {};
        this->env.stop.leave_parent(); // the handle may outlive the pool
        if constexpr (std::is_empty_v<Sequel>)
            sequel_(base::result, *this);
        else {
            (*sequel_)(base::result, *this);
            sequel_.reset();
        }
        if (observer* const w = current_observer())
            w->task_finished(this, base::result.error());
        const pool_ticket ticket = ticket_;
        base::become_ready(&destroy);
        base::release();
        ticket.ended(); // last: with it the pool may be joined
    }

    pool_ticket ticket_;
    [[no_unique_address]] std::conditional_t<std::is_empty_v<Sequel>, Sequel, std::optional<Sequel>> sequel_;
    std::optional<remote_outcome> outcome_; // between the thread that it came to and the one that decodes it
    bool on_arrival_ = false;
};

} // namespace tandem::detail
