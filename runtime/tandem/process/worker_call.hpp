// For implementers of process pools; users include <tandem/process/process_pool.hpp>.
#pragma once

#include <tandem/process/codec.hpp>
#include <tandem/process/detail/frame.hpp>
#include <tandem/process/encoder.hpp>
#include <tandem/task/awaitable.hpp>
#include <tandem/task/sync_wait.hpp>

#include <chrono>
#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

namespace tandem::detail {

/// In a worker: one call, from its frame to its answer. The thunk in the frame knows the types.
struct worker_call {
    const frame_header* header;
    payload arguments;
    encoder answer;
    std::uint64_t nanoseconds = 0; // for a call that measures itself
};

/// `why`, from inside a codec, as a codec_error that says what was being done.
[[nodiscard]] std::exception_ptr codec_error_from(const char* doing, const std::exception_ptr& why) noexcept;
[[noreturn]] inline void throw_codec_error(const char* doing, const std::exception_ptr& why)
{
    std::rethrow_exception(codec_error_from(doing, why));
}

/// Calls `read` with a decoder of the bytes, all of which it must read; `failure` is how a codec_error begins.
template <class F>
void decode_all(const payload& p, const char* failure, F read)
{
    try {
        const payload_view bytes(p);
        decoder from(bytes.data(), bytes.size());
        read(from);
        if (from.remaining() != 0)
            throw codec_error("decode: there are more bytes than the value has");
    }
    catch (...) {
        throw_codec_error(failure, std::current_exception());
    }
}

/// The same of the arguments, whose memory is then the answer's.
template <class F>
void decode_arguments(worker_call& c, F f)
{
    decode_all(c.arguments, "an argument could not be decoded", std::move(f));
    c.answer.reuse(std::move(c.arguments));
    c.arguments = {};
}

template <class F>
void encode_answer(F f)
{
    try {
        f();
    }
    catch (...) {
        throw_codec_error("the result could not be encoded", std::current_exception());
    }
}

/// What `f()` returns, or what the task that it returns gives.
template <class F>
decltype(auto) finish_call(F&& f)
{
    using R = decltype(f());
    if constexpr (awaitable<R>)
        return tandem::sync_wait(f());
    else
        return f();
}

} // namespace tandem::detail
