#include "http_connection.hpp"

#include <tandem/io/use_task.hpp>

#include <asio/read_until.hpp>
#include <asio/write.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <cctype>

using tandem::use_task;

http_connection::http_connection(asio::ip::tcp::socket socket) : socket_(std::move(socket))
{
    socket_.set_option(asio::ip::tcp::no_delay(true));
}

tandem::task<std::optional<std::string>> http_connection::read_request()
{
    std::size_t size = 0;
    try {
        auto read = asio::async_read_until(socket_, asio::dynamic_buffer(unread_, 64 * 1024), "\r\n\r\n", use_task);
        size = co_await std::move(read);
    }
    catch (const tandem::operation_cancelled&) {
        throw;
    }
    catch (const asio::system_error&) {
        co_return std::nullopt; // it has left
    }
    head_ = unread_.substr(0, size);
    unread_.erase(0, size);
    const std::size_t begin = head_.find(' ') + 1; // "GET /path HTTP/1.1"
    co_return head_.substr(begin, head_.find(' ', begin) - begin);
}

std::string http_connection::header(const std::string& name) const
{
    std::string lower = head_;
    std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    const std::size_t at = lower.find("\r\n" + name + ": ");
    const std::size_t begin = at + name.size() + 4;
    return at == std::string::npos ? "" : head_.substr(begin, head_.find('\r', begin) - begin);
}

tandem::task<> http_connection::send(int status, std::string type, std::string_view content, std::string headers)
{
    const std::string text = fmt::format(
        "HTTP/1.1 {} -\r\nContent-Type: {}\r\nContent-Length: {}\r\n{}\r\n{}", status, type, content.size(), headers, content);
    co_await send_raw(text);
}

tandem::task<> http_connection::send_raw(std::string_view bytes)
{
    auto writing = asio::async_write(socket_, asio::buffer(bytes), use_task);
    co_await std::move(writing);
}

void http_connection::reset()
{
    socket_.set_option(asio::socket_base::linger(true, 0));
    socket_.close();
}
