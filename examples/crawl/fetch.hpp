// `co_await fetch(request)`: one page over HTTP, by libcurl, with limits on everything that a server could overdo.
#pragma once

#include "body.hpp"

#include <tandem/task/task.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

namespace asio {
class thread_pool;
}

namespace crawl {

struct fetch_options {
    std::string user_agent = "tandem-crawl/0.1";
    std::string ca_file{};                     ///< certificates to trust, in place of the system's
    std::chrono::milliseconds timeout{60'000}; ///< for all of a page
    std::chrono::milliseconds connect{10'000}; ///< for the connection
    std::chrono::seconds slow{15};             ///< how long a page may come at less than `slow_bytes` a second
    long slow_bytes = 100;
    long connections = 64; ///< open at a time
    long per_host = 8;
};

struct request {
    std::string url;
    std::size_t max_bytes = 16u << 20; ///< of the content, unpacked
    std::filesystem::path folder;      ///< for what is too large to be kept in memory
    bool keep_head = false;
};

struct response {
    long status = 0;
    std::string type;     ///< Content-Type
    std::string location; ///< as the server wrote it
    std::optional<std::chrono::seconds> retry_after;
    std::string head; ///< status line and headers, if asked for
    body content;
    std::size_t bytes = 0; ///< that came, packed
    std::chrono::milliseconds elapsed{};
};

/// Why there is no response.
struct fetch_error : std::runtime_error {
    fetch_error(const std::string& why, bool worth_a_retry) : runtime_error(why), transient(worth_a_retry) {}
    bool transient; ///< it may be different next time: reset, timed out, refused
};

/// Connections, and what is known of hosts, shared by all requests: HTTP/2 where the server has it, kept open, certificates verified,
/// compression. Redirects are not followed: whoever asks decides. Thread safety: `fetch` from any thread. Lifetime: it outlives its fetches,
/// and the pool outlives it.
class fetcher {
public:
    fetcher(asio::thread_pool& io, fetch_options options);
    ~fetcher();

    /// Throws fetch_error. Cancellation: closes the connection at once.
    [[nodiscard]] tandem::task<response> fetch(request r);

private:
    struct shared;
    std::unique_ptr<shared> shared_;
};

} // namespace crawl
