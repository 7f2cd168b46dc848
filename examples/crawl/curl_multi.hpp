// libcurl's multi interface driven by Asio: libcurl says which sockets and which time it waits for, Asio waits.
#pragma once

#include <asio/strand.hpp>
#include <asio/thread_pool.hpp>
#include <tandem/task/task.hpp>

#include <curl/curl.h>

#include <cstddef>
#include <memory>

namespace crawl {

struct connection_limits {
    long connections = 64; ///< open at a time, in use or kept for the next request
    long per_host = 0;     ///< 0: no limit but that
};

/// Runs transfers concurrently. All calls into libcurl go through one strand: it is not thread-safe, and so needs no lock and no thread of
/// its own. Lifetime: until the last `perform` has ended; the pool outlives it.
class curl_multi {
public:
    curl_multi(asio::thread_pool& io, const connection_limits& limits);
    ~curl_multi();
    curl_multi(const curl_multi&) = delete;
    curl_multi& operator=(const curl_multi&) = delete;

    /// Runs a transfer that was set up, and gives how it ended. Its callbacks run in the strand. The connection stays open for the next.
    /// Cancellation: the transfer is taken out, its connection closed, and operation_cancelled thrown.
    [[nodiscard]] tandem::task<CURLcode> perform(CURL* easy);

    struct state; // the handlers of Asio share it, for they may come when this has gone

private:
    std::shared_ptr<state> state_;
};

} // namespace crawl
