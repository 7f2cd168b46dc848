#pragma once

#include <tandem/process/detail/frame_header.hpp>
#include <tandem/process/detail/mailbox.hpp>
#include <tandem/process/detail/payload.hpp>

#include <cstddef>
#include <string>

namespace tandem::detail {

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
    /// Before anything is sent that the next frame may answer: it may come to `m`, as long as we are awake. Null: no mailbox.
    void expect(mail_slot* m) noexcept;
    /// With `wait`, blocks until there is a frame or an end.
    status receive(int socket, bool wait);

    [[nodiscard]] const frame_header& header() const noexcept { return header_; }
    /// After `complete`: what came. Makes room for the next.
    [[nodiscard]] payload take() noexcept;

private:
    [[nodiscard]] status receive_mail();

    patience patience_;
    mail_slot* expected_ = nullptr; // where we said that we look
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
