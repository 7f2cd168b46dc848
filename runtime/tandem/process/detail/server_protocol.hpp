#pragma once

#include <tandem/process/detail/unique_fd.hpp>

#include <sys/types.h>

#include <cstdint>

namespace tandem::detail {

/// What a pool asks of the fork server, one message each on a SOCK_SEQPACKET socket.
struct server_request {
    enum class verb : std::uint32_t {
        connect, ///< on the server's own socket, with a descriptor: talk to a new client on that
        spawn,   ///< with a descriptor: fork a worker, with that as its socket
        kill,    ///< send SIGKILL to a worker, if it still lives
    };
    verb what = verb::connect;
    std::uint64_t id = 0; ///< names the worker; chosen by the client
    char name[16] = {};   ///< of the process, for ps
};

struct server_reply {
    enum class verb : std::uint32_t { spawned, failed, died };
    verb what = verb::spawned;
    std::uint64_t id = 0;
    std::int32_t pid = 0;
    std::int32_t status = 0; ///< failed: errno; died: as waitpid gives it
};

/// The fork server's life. Forks workers, reports their deaths, and goes (and they with it) when its parent does: `parent` is a
/// descriptor that becomes readable then (-1: none), besides the end of `control`.
[[noreturn]] void run_server(unique_fd control, unique_fd parent) noexcept;

/// A worker's life, on its socket.
[[noreturn]] void run_worker(int socket) noexcept;
/// The beginning of it, in the server. What happens there for the first time, the binding of symbols above all, costs page faults, which
/// are dear in virtual machines; workers are forked with all that done.
void rehearse_worker() noexcept;

/// A new connection to the fork server, which is started if need be and still possible.
[[nodiscard]] unique_fd connect_to_server();

} // namespace tandem::detail
