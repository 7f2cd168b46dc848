#pragma once

#include <tandem/process/detail/payload.hpp>

#include <cstddef>
#include <cstdint>
#include <string>

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

/// Sends a frame. At most one goes each way at a time, and each is small enough for a socket's buffer, so this does not block in
/// practice. Returns 0 or an errno. The payload must be finished.
int send_frame(int socket, const frame_header& h, const payload& p) noexcept;

/// Gives a socket as large a buffer as the system allows, so that a frame fits. Both ends.
void widen(int socket) noexcept;

/// Receives frames, in pieces if need be.
class frame_receiver {
public:
    enum class status {
        complete,
        would_block,
        closed, ///< the other end is gone; it had read all that was sent to it
        reset,  ///< the other end is gone, and had not read all
        broken, ///< what came is no frame
    };
    /// With `wait`, blocks until there is a frame or an end; the first 50 us awake.
    status receive(int socket, bool wait);

    [[nodiscard]] const frame_header& header() const noexcept { return header_; }
    /// After `complete`: what came. Makes room for the next.
    [[nodiscard]] payload take() noexcept;

private:
    frame_header header_;
    std::size_t got_ = 0; // of the header and then the bytes behind it
    std::string bytes_;
    unique_fd memory_;
};

/// Sends bytes and at most one descriptor (-1: none) as one message on a SOCK_SEQPACKET socket; returns 0 or an errno.
int send_message(int socket, const void* p, std::size_t n, int fd, int flags) noexcept;
/// Receives one: the count of bytes, 0 at the end, or -1 with errno.
std::ptrdiff_t receive_message(int socket, void* p, std::size_t n, unique_fd& fd, int flags) noexcept;

} // namespace tandem::detail
