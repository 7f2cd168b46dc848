#include <tandem/process/detail/frame.hpp>

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#if !defined(MSG_CMSG_CLOEXEC)
#define MSG_CMSG_CLOEXEC 0
#endif

namespace tandem::detail {

namespace {

union one_descriptor {
    cmsghdr align;
    char space[CMSG_SPACE(sizeof(int))];
};

void attach(msghdr& m, one_descriptor& control, int fd) noexcept
{
    std::memset(&control, 0, sizeof control);
    m.msg_control = control.space;
    m.msg_controllen = sizeof control.space;
    cmsghdr* const c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(c), &fd, sizeof fd);
}

void detach(msghdr& m, unique_fd& into) noexcept
{
    for (cmsghdr* c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(c), sizeof fd);
            into = unique_fd(fd);
        }
}

} // namespace

int send_frame(int socket, const frame_header& h, const payload& p) noexcept
{
    iovec parts[2] = {
        {const_cast<frame_header*>(&h), sizeof h}, {const_cast<char*>(p.bytes().data()), p.in_memory() ? 0 : p.size()}};
    msghdr m{};
    m.msg_iov = parts;
    m.msg_iovlen = 2;
    one_descriptor control;
    if (p.in_memory())
        attach(m, control, p.memory());
    for (;;) {
        const ssize_t n = ::sendmsg(socket, &m, MSG_NOSIGNAL);
        if (n < 0) {
            if (errno == EINTR)
                continue;
            return errno;
        }
        m.msg_control = nullptr;
        m.msg_controllen = 0;
        auto rest = static_cast<std::size_t>(n);
        for (iovec& part : parts) {
            const std::size_t of_this = std::min(rest, part.iov_len);
            part.iov_base = static_cast<char*>(part.iov_base) + of_this;
            part.iov_len -= of_this;
            rest -= of_this;
        }
        if (parts[0].iov_len + parts[1].iov_len == 0)
            return 0;
    }
}

void widen(int socket) noexcept
{
    constexpr int size = 4 * shared_memory_threshold;
    static_cast<void>(::setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &size, sizeof size));
}

void frame_receiver::expect(mail_slot* m) noexcept
{
    expected_ = m && patience_.has_some() ? m : nullptr;
    if (expected_)
        expected_->look();
}

/// Whether it was a frame, if one came while we were awake.
frame_receiver::status frame_receiver::receive_mail()
{
    mail_slot& m = *std::exchange(expected_, nullptr);
    switch (m.wait()) {
    case mail_slot::result::frame:
        patience_.rewarded();
        return m.take(header_, bytes_) ? status::complete : status::broken;
    case mail_slot::result::elsewhere:
        patience_.rewarded();
        break;
    case mail_slot::result::nothing:
        patience_.disappointed();
        break;
    }
    return status::would_block;
}

frame_receiver::status frame_receiver::receive(int socket, bool wait)
{
    if (wait && expected_)
        if (const status s = receive_mail(); s != status::would_block)
            return s;
    for (;;) {
        // A small frame comes in one piece: the header and what follows are read together.
        char first[2048];
        iovec parts[2];
        if (got_ < sizeof header_) {
            parts[0] = {reinterpret_cast<char*>(&header_) + got_, sizeof header_ - got_};
            parts[1] = {first, sizeof first};
        }
        else {
            parts[0] = {bytes_.data() + (got_ - sizeof header_), bytes_.size() - (got_ - sizeof header_)};
            parts[1] = {nullptr, 0};
        }
        msghdr m{};
        m.msg_iov = parts;
        m.msg_iovlen = 2;
        one_descriptor control;
        m.msg_control = control.space;
        m.msg_controllen = sizeof control.space;
        const ssize_t n = ::recvmsg(socket, &m, MSG_CMSG_CLOEXEC | (wait ? 0 : MSG_DONTWAIT));
        if (n < 0) {
            if (errno == EINTR)
                continue;
            const bool nothing_yet = errno == EAGAIN || errno == EWOULDBLOCK;
            return nothing_yet ? status::would_block : errno == ECONNRESET ? status::reset : status::closed;
        }
        if (n == 0)
            return status::closed;
        detach(m, memory_);
        const std::size_t before = got_;
        got_ += static_cast<std::size_t>(n);
        if (got_ < sizeof header_)
            continue;
        if (before < sizeof header_) {
            const std::size_t beyond = got_ - sizeof header_;
            const std::size_t in_stream = header_.in_memory ? 0 : header_.size;
            if (header_.magic != frame_header::right_magic || beyond > in_stream || in_stream > 2 * shared_memory_threshold ||
                (header_.in_memory != 0) != static_cast<bool>(memory_))
                return status::broken;
            bytes_.assign(first, beyond);
            bytes_.resize(in_stream);
        }
        if (got_ == sizeof header_ + bytes_.size())
            return status::complete;
    }
}

payload frame_receiver::take() noexcept
{
    got_ = 0;
    if (memory_)
        return {std::exchange(memory_, unique_fd()), header_.size};
    return payload(std::move(bytes_));
}

int send_message(int socket, const void* p, std::size_t n, int fd, int flags) noexcept
{
    iovec part{const_cast<void*>(p), n};
    msghdr m{};
    m.msg_iov = &part;
    m.msg_iovlen = 1;
    one_descriptor control;
    if (fd >= 0)
        attach(m, control, fd);
    while (::sendmsg(socket, &m, flags | MSG_NOSIGNAL) < 0)
        if (errno != EINTR)
            return errno;
    return 0;
}

std::ptrdiff_t receive_message(int socket, void* p, std::size_t n, unique_fd& fd, int flags) noexcept
{
    iovec part{p, n};
    msghdr m{};
    m.msg_iov = &part;
    m.msg_iovlen = 1;
    one_descriptor control;
    m.msg_control = control.space;
    m.msg_controllen = sizeof control.space;
    ssize_t got = 0;
    do
        got = ::recvmsg(socket, &m, flags | MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    if (got > 0)
        detach(m, fd);
    return got;
}

} // namespace tandem::detail
