// What the tests of the process pool share.
#pragma once

#include "pool/support.hpp"
#include "support/threads.hpp"

#include <tandem/pool/start_thread.hpp>
#include <tandem/process/process_pool.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <string>
#include <unistd.h>
#include <vector>

namespace tandem::test {

/// How many descriptors a process has open.
inline std::size_t descriptors_of(const std::string& pid = "self")
{
    std::size_t n = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/" + pid + "/fd")) {
        static_cast<void>(entry);
        ++n;
    }
    return n - (pid == "self"); // that of the look itself
}

/// Whether there is such a process, and it is not a zombie.
inline bool is_alive(int pid) { return ::kill(pid, 0) == 0; }

/// As `ps` shows it: R, S, T for stopped, Z.
inline char state_of(int pid)
{
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string line;
    std::getline(file, line);
    const std::size_t after_name = line.rfind(") ");
    return after_name == std::string::npos ? ' ' : line[after_name + 2];
}

/// Kills the workers until `r` has ended. Once may not do: a call that its worker had not read yet is given to the next. That one is given
/// more and more time to start: a pool whose workers all die at the start gives up.
template <class R>
void kill_until_ended(process_pool& pool, const async_result<R>& r)
{
    for (std::chrono::milliseconds pause(2); !r.wait_for(pause); pause *= 2)
        for (const int pid : pool.pids())
            ::kill(pid, SIGKILL);
}

} // namespace tandem::test
