#pragma once

#include <tandem/io/detail/socket_turn.hpp>
#include <tandem/io/use_task.hpp>

#include <asio/basic_stream_socket.hpp>
#include <asio/buffer.hpp>
#include <asio/write.hpp>

#include <algorithm>
#include <concepts>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <utility>
#include <vector>

namespace tandem {

namespace detail {

template <class Socket, class Buffers>
class read_awaiter : public socket_turn {
public:
    read_awaiter(Socket& s, Buffers b) noexcept : socket_(s), buffers_(std::move(b)) {}

    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise> h)
    {
        is_for(h, environment_of(h));
        return !stop_requested() && (ask_for_turn(&in_turn) || read_later());
    }

private:
    static bool in_turn(socket_turn& t) noexcept
    {
        auto& self = static_cast<read_awaiter&>(t);
        if (self.stop_requested() || self.read_now())
            return true;
        try {
            return !self.read_later();
        }
        catch (...) {
            self.fail(std::current_exception());
            return true;
        }
    }

    bool read_now() noexcept
    {
        const few_buffers<asio::mutable_buffer> into(buffers_);
        // For no bytes at all there is no system call: it would say that the stream has ended.
        return into.count > 0 && looked(receive_now(socket_.native_handle(), into));
    }
    bool read_later()
    {
        return begin([this](auto handler) { socket_.async_read_some(buffers_, std::move(handler)); });
    }

    Socket& socket_;
    Buffers buffers_;
};

template <class Socket, class Buffers>
class write_awaiter : public socket_turn {
public:
    write_awaiter(Socket& s, Buffers b) noexcept : socket_(s), buffers_(std::move(b)) {}

    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise> h)
    {
        is_for(h, environment_of(h));
        return !stop_requested() && !(may_go_on() && write_now()) && write_later();
    }

private:
    bool write_now() noexcept
    {
        const few_buffers<asio::const_buffer> from(buffers_);
        return wrote(send_now(socket_.native_handle(), from), asio::buffer_size(buffers_));
    }
    bool write_later()
    {
        return begin([this](auto handler) {
            if constexpr (std::convertible_to<const Buffers&, asio::const_buffer>)
                asio::async_write(socket_, asio::const_buffer(buffers_) + bytes(), std::move(handler));
            else if (bytes() == 0)
                asio::async_write(socket_, buffers_, std::move(handler));
            else
                asio::async_write(socket_, rest(), std::move(handler));
        });
    }
    std::vector<asio::const_buffer> rest() const
    {
        std::vector<asio::const_buffer> v;
        std::size_t skipped = bytes();
        const auto end = asio::buffer_sequence_end(buffers_);
        for (auto k = asio::buffer_sequence_begin(buffers_); k != end; ++k) {
            asio::const_buffer b(*k);
            const std::size_t n = std::min(skipped, b.size());
            skipped -= n;
            b += n;
            if (b.size() > 0)
                v.push_back(b);
        }
        return v;
    }

    Socket& socket_;
    Buffers buffers_;
};

template <template <class, class> class Awaiter, class Socket, class Buffers>
class [[nodiscard("it does nothing until you co_await it")]] socket_operation {
public:
    socket_operation(Socket& s, const Buffers& b) : socket_(&s), buffers_(b) {}
    Awaiter<Socket, Buffers> operator co_await() && noexcept { return {*socket_, std::move(buffers_)}; }

private:
    Socket* socket_;
    Buffers buffers_;
};

} // namespace detail

/// Reads what has come, at most as much as fits into `buffers`, and at least one byte unless they are empty: `co_await read_some(socket, buffer)`.
/// As `socket.async_read_some(buffers, use_task)`, whose errors it throws, asio::error::eof at the end of the stream among them, and cheaper
/// where many connections are served: what has come already is taken without an operation of Asio's.
///
/// On a pool the task waits until those have had their turn for which something has come, and then looks by a system call that does not
/// wait; where that is mostly in vain, it is left to Asio at once. Throws operation_cancelled when the task is, or was already, asked to
/// stop. Thread safety and lifetime as with `use_task`: one read at a time; the socket and the memory outlive the await. Elsewhere than on
/// a pool, and for other streams (TLS), it is that operation.
template <class Protocol, class Executor, class Buffers>
[[nodiscard]] auto read_some(asio::basic_stream_socket<Protocol, Executor>& socket, const Buffers& buffers)
{
    return detail::socket_operation<detail::read_awaiter, asio::basic_stream_socket<Protocol, Executor>, Buffers>(socket, buffers);
}
template <class AsyncReadStream, class Buffers>
[[nodiscard]] auto read_some(AsyncReadStream& stream, const Buffers& buffers)
{
    return stream.async_read_some(buffers, use_task);
}

/// Writes all of `buffers`, and returns how many bytes that were: `co_await write(socket, buffer)`. As `asio::async_write(socket, buffers,
/// use_task)`, whose errors it throws, and cheaper: what the socket has room for is handed over at once, and the task does not suspend
/// unless something is left. Now and then it does so all the same, for others to have their turn.
///
/// Throws operation_cancelled when the task is, or was already, asked to stop; then some of it may have been written. Thread safety and lifetime
/// as with `use_task`: one write at a time; the socket and the memory outlive the await. Cost: the system call. Elsewhere than on a pool, and for
/// other streams (TLS), it is that operation.
template <class Protocol, class Executor, class Buffers>
[[nodiscard]] auto write(asio::basic_stream_socket<Protocol, Executor>& socket, const Buffers& buffers)
{
    return detail::socket_operation<detail::write_awaiter, asio::basic_stream_socket<Protocol, Executor>, Buffers>(socket, buffers);
}
template <class AsyncWriteStream, class Buffers>
[[nodiscard]] auto write(AsyncWriteStream& stream, const Buffers& buffers)
{
    return asio::async_write(stream, buffers, use_task);
}

} // namespace tandem
