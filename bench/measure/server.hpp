#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

namespace measure {

/// What the server answers to a number.
[[nodiscard]] std::uint64_t answer_to(std::uint64_t number) noexcept;

/// A TCP server on the loopback interface, with one thread of its own. A request is a connection and a number on it, 8 bytes in the
/// machine's own order; after `latency` comes answer_to(number), 8 bytes as well, and the end of the connection.
class server {
public:
    explicit server(std::chrono::milliseconds latency);
    ~server();
    server(const server&) = delete;
    server& operator=(const server&) = delete;

    [[nodiscard]] std::uint16_t port() const noexcept;
    /// What its thread has used so far: not the work of those who are measured.
    [[nodiscard]] double cpu_seconds() const noexcept;

private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

} // namespace measure
