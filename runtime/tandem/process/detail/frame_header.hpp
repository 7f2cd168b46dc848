#pragma once

#include <cstdint>

namespace tandem::detail {

struct worker_call;

enum class frame_kind : std::uint16_t {
    setup, ///< to a worker, first: run the initializer
    ready, ///< from it: done
    call,  ///< to a worker
    value, ///< from it: the call's result
    error, ///< from it: what the call, or the initializer, threw
};

/// Before every message on a worker's socket. Addresses mean the same at both ends: workers are forked from this program.
struct frame_header {
    static constexpr std::uint32_t right_magic = 0x7461646d;

    std::uint32_t magic = right_magic;
    frame_kind kind = frame_kind::call;
    std::uint16_t in_memory = 0; ///< the payload comes as a descriptor, not in the stream
    std::uint64_t size = 0;      ///< of the payload
    void (*thunk)(worker_call&) = nullptr;
    unsigned char function[16] = {}; ///< what the thunk calls, as its bytes
    std::uint64_t count = 0;         ///< of items, for a chunk; in an answer the worker's pid
    std::uint64_t nanoseconds = 0;   ///< of a result: how long the call took
};

} // namespace tandem::detail
