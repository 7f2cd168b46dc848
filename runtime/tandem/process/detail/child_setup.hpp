#pragma once

#include <tandem/process/detail/unique_fd.hpp>

#include <sys/types.h>

#include <span>

// What a process does about itself after a fork.

namespace tandem::detail {

/// The descriptors that stay, besides the standard three, moved to 3 and the numbers after it (-1 for those that were not there); all
/// others are closed.
void keep_only(std::span<int> fds) noexcept;
/// For ps.
void set_name(const char* name) noexcept;
void default_signals() noexcept;

/// The life of a spare worker, a child of the server's: it gets ready, waits on `line` until it is given to a pool, and is a worker.
[[noreturn]] void wait_for_a_pool(unique_fd line, pid_t server) noexcept;

} // namespace tandem::detail
