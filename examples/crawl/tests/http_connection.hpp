// As much of HTTP/1.1 as a test server needs: heads of requests, answers with a length, and raw bytes.
#pragma once

#include <tandem/task/task.hpp>

#include <asio/ip/tcp.hpp>

#include <optional>
#include <string>
#include <string_view>

class http_connection {
public:
    explicit http_connection(asio::ip::tcp::socket socket);

    /// What the next request asks for; nothing when there is none.
    [[nodiscard]] tandem::task<std::optional<std::string>> read_request();
    /// The value of a header of that request, or nothing. `name` in lower case.
    [[nodiscard]] std::string header(const std::string& name) const;
    [[nodiscard]] tandem::task<> send(int status, std::string type, std::string_view content, std::string headers = {});
    [[nodiscard]] tandem::task<> send_raw(std::string_view bytes);
    /// Closes so that the other side gets a reset.
    void reset();

private:
    asio::ip::tcp::socket socket_;
    std::string head_; // of the request
    std::string unread_;
};
