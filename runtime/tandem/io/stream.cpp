#include <tandem/io/detail/socket_turn.hpp>

#include <tandem/base/errc.hpp>
#include <tandem/sched/scheduler.hpp>

#include <asio/error.hpp>
#include <asio/system_error.hpp>

#if defined(__linux__)
#include <cerrno>
#include <sys/socket.h>
#include <sys/uio.h>
#endif

namespace tandem::detail {

// --- system calls that do not wait ---------------------------------------------------------------

#if defined(__linux__)

namespace {

template <class Call>
transfer_result without_waiting(Call call) noexcept
{
    for (;;) {
        const ssize_t n = call();
        if (n >= 0)
            return {.bytes = static_cast<std::size_t>(n)};
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            return {.is = transfer_result::kind::would_wait};
        if (errno != EINTR)
            return {.is = transfer_result::kind::failed, .error_number = errno};
    }
}

/// What sendmsg and recvmsg want.
struct message {
    template <class Buffer>
    explicit message(const few_buffers<Buffer>& b) noexcept
    {
        for (std::size_t k = 0; k < b.count; ++k)
            parts[k] = {const_cast<void*>(static_cast<const void*>(b.buffers[k].data())), b.buffers[k].size()};
        header.msg_iov = parts.data();
        header.msg_iovlen = b.count;
    }
    std::array<iovec, few_buffers<asio::const_buffer>::most> parts;
    msghdr header{};
};

} // namespace

transfer_result receive_now(int socket, const few_buffers<asio::mutable_buffer>& into) noexcept
{
    const asio::mutable_buffer first = into.buffers[0];
    transfer_result r = without_waiting([&] {
        if (into.count == 1) // which the kernel is quicker at
            return ::recv(socket, first.data(), first.size(), MSG_DONTWAIT);
        message m(into);
        return ::recvmsg(socket, &m.header, MSG_DONTWAIT);
    });
    if (r.is == transfer_result::kind::done && r.bytes == 0)
        r.is = transfer_result::kind::ended;
    return r;
}

transfer_result send_now(int socket, const few_buffers<asio::const_buffer>& from) noexcept
{
    if (from.count == 0)
        return {};
    const asio::const_buffer first = from.buffers[0];
    return without_waiting([&] {
        if (from.count == 1)
            return ::send(socket, first.data(), first.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        const message m(from);
        return ::sendmsg(socket, &m.header, MSG_DONTWAIT | MSG_NOSIGNAL);
    });
}

#else

transfer_result receive_now(int, const few_buffers<asio::mutable_buffer>&) noexcept
{
    return {.is = transfer_result::kind::would_wait};
}
transfer_result send_now(int, const few_buffers<asio::const_buffer>&) noexcept { return {.is = transfer_result::kind::would_wait}; }

#endif

// --- turns ---------------------------------------------------------------------------------------

struct socket_turn::kind {
    static job_kind::description describe(const job& j) noexcept
    {
        return {static_cast<const socket_turn&>(j).handle_, "a socket"};
    }
    static inline const job_kind known{&execute, &describe};
};

void socket_turn::execute(job* j) noexcept
{
    auto& self = *static_cast<socket_turn*>(j);
    if (self.in_turn_(self))
        tandem::resume(self.handle_);
}

bool socket_turn::ask_for_turn(function* f) noexcept
{
    scheduler* const s = env_->ctx->work_stealing();
    in_turn_ = f;
    return s && s->look_behind_handlers(*this);
}

bool socket_turn::looked(const transfer_result& r) noexcept
{
    const bool found = r.is != transfer_result::kind::would_wait;
    env_->ctx->work_stealing()->looked(found);
    now_ = r;
    return found;
}

bool socket_turn::may_go_on() const noexcept
{
    worker* const w = this_worker();
    return w && &w->owner() == env_->ctx->work_stealing() && !w->overdue();
}

bool socket_turn::wrote(const transfer_result& r, std::size_t of) noexcept
{
    now_ = r;
    return r.is == transfer_result::kind::failed || (r.is == transfer_result::kind::done && r.bytes == of);
}

std::size_t socket_turn::take_later()
{
    if (failure_)
        std::rethrow_exception(std::move(failure_));
    if (stopped_)
        throw operation_cancelled("a socket's operation was cancelled because its task was asked to stop");
    if (now_.is == transfer_result::kind::ended)
        throw asio::system_error(asio::error::eof);
    if (now_.is == transfer_result::kind::failed)
        throw asio::system_error(asio::error_code(now_.error_number, asio::error::get_system_category()));
    return now_.bytes + operation_->take();
}

} // namespace tandem::detail
