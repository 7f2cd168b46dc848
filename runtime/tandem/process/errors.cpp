#include <tandem/process/errors.hpp>

#include <csignal>
#include <cstring>

namespace tandem {

namespace {

std::string how_it_ended(int pid, int signal, int exit_code, const std::string& task)
{
    std::string s = "worker process " + std::to_string(pid);
    if (signal != 0) {
        s += " was killed by signal " + std::to_string(signal) + " (" + ::strsignal(signal) + ")";
        if (signal == SIGKILL)
            s += ", perhaps for want of memory";
    }
    else
        s += " exited with code " + std::to_string(exit_code);
    return s + ": it ran " + task;
}

} // namespace

worker_died::worker_died(int pid, int signal, int exit_code, const std::string& task)
    : error(errc::worker_died, how_it_ended(pid, signal, exit_code, task)), pid_(pid), signal_(signal), exit_code_(exit_code)
{
}
worker_died::~worker_died() = default;

remote_error::remote_error(const std::string& type, const std::string& text)
    : error(errc::remote_error, type + ": " + text), type_(type), remote_text_(text)
{
}
remote_error::~remote_error() = default;

codec_error::codec_error(const std::string& text) : error(errc::codec, text) {}
codec_error::~codec_error() = default;

} // namespace tandem
