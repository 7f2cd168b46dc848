// What `read_some` and `write` of a stream socket do before, or instead of, an operation of Asio's.
#pragma once

#include <tandem/base/config.hpp>
#include <tandem/io/detail/operation_handler.hpp>
#include <tandem/task/context.hpp>
#include <tandem/task/job.hpp>

#include <asio/buffer.hpp>
#include <asio/error_code.hpp>

#include <array>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <optional>
#include <utility>

namespace tandem::detail {

/// What a system call that does not wait gave.
struct transfer_result {
    /// `would_wait` also on systems where such a call is not to be had; `ended`: the stream, when something is read from it.
    enum class kind : unsigned char { done, would_wait, ended, failed };

    kind is = kind::done;
    int error_number = 0; // of errno, when it failed
    std::size_t bytes = 0;
};

/// Some buffers of a sequence, without those that are empty; a system call need not take all.
template <class Buffer>
struct few_buffers {
    template <class Sequence>
    explicit few_buffers(const Sequence& s) noexcept
    {
        const auto end = asio::buffer_sequence_end(s);
        for (auto k = asio::buffer_sequence_begin(s); k != end && count < most; ++k)
            if (const Buffer b(*k); b.size() > 0)
                buffers[count++] = b;
    }

    static constexpr std::size_t most = 8;
    std::array<Buffer, most> buffers{};
    std::size_t count = 0;
};

[[nodiscard]] transfer_result receive_now(int socket, const few_buffers<asio::mutable_buffer>& into) noexcept;
[[nodiscard]] transfer_result send_now(int socket, const few_buffers<asio::const_buffer>& from) noexcept;

/// What the two have in common: which task it is, what has been done at once, and the operation of Asio's that does the rest.
class socket_turn : job {
public:
    [[nodiscard]] static constexpr bool await_ready() noexcept { return false; }
    /// The bytes, or what went wrong.
    std::size_t await_resume()
    {
        if (TANDEM_LIKELY(!operation_ && !stopped_ && now_.is == transfer_result::kind::done))
            return now_.bytes;
        return take_later();
    }

protected:
    /// What is to be done in a turn; false when it has begun an operation, and so may be gone.
    using function = bool(socket_turn&) noexcept;

    socket_turn() noexcept : job(&execute) {}

    void is_for(std::coroutine_handle<> h, environment& env) noexcept
    {
        handle_ = h;
        env_ = &env;
    }
    /// True, and noted, when the task was asked to stop.
    [[nodiscard]] bool stop_requested() noexcept { return stopped_ = env_->stop.get_token().stop_requested(); }
    [[nodiscard]] std::size_t bytes() const noexcept { return now_.bytes; }

    /// Has `f` called when all that is ready has had its turn, and then the task resumed; false where there are no turns, or where they do
    /// not pay.
    [[nodiscard]] bool ask_for_turn(function* f) noexcept;
    /// What has come of it; true when it is all that is to be done.
    [[nodiscard]] bool looked(const transfer_result& r) noexcept;

    /// On a thread of the task's own pool that has not gone on for long without a look at what else there is to do.
    [[nodiscard]] bool may_go_on() const noexcept;
    [[nodiscard]] bool wrote(const transfer_result& r, std::size_t of) noexcept;

    /// Begins an operation of Asio's for what is left; false when it has completed already.
    template <class Initiate>
    bool begin(Initiate initiate)
    {
        operation_.emplace();
        return operation_->start(handle_, *env_, [&] { initiate(operation_handler<asio::error_code, std::size_t>(*operation_)); });
    }
    /// That could not be begun.
    void fail(std::exception_ptr error) noexcept { failure_ = std::move(error); }

private:
    struct kind;
    static void execute(job* j) noexcept;
    [[nodiscard]] std::size_t take_later();

    function* in_turn_ = nullptr;
    std::coroutine_handle<> handle_;
    environment* env_ = nullptr;
    transfer_result now_;
    bool stopped_ = false;
    std::exception_ptr failure_;
    std::optional<operation_state<asio::error_code, std::size_t>> operation_;
};

} // namespace tandem::detail
