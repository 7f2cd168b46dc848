#pragma once

#include <cstddef>
#include <string>

namespace services {

/// Starts `count` coroutines (or callbacks) that all sleep at once, lets them end, and prints bytes, seconds to start and CPU
/// nanoseconds for each. `who`: tandem, asio_awaitable, asio_callbacks.
void sleepers(const std::string& who, std::size_t count);

/// Echoes on a port that it prints, until stdin ends. `who`: tandem, asio_awaitable, asio_callbacks.
void echo_server(const std::string& who);
/// 64 connections, 64 bytes to and fro, for so many seconds; prints the requests per second. `on`: asio, epoll.
void echo_client(const std::string& on, const std::string& port, double seconds);

/// Answers every HTTP request with "Hello, World!", on a port that it prints, until stdin ends. `who`: asio_callbacks.
void http_server(const std::string& who);

/// Runs all of them by turns, and prints what they took, and the ratios.
void compare(double seconds);

/// Prints the port, and returns when stdin ends.
void serve_until_told(unsigned short port);

} // namespace services
