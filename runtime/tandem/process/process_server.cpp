#include <tandem/base/config.hpp>
#include <tandem/process/detail/frame.hpp>
#include <tandem/process/detail/server_protocol.hpp>
#include <tandem/process/process_server.hpp>

#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <mutex>
#include <stdexcept>
#include <string>
#include <system_error>

namespace tandem {

namespace {

struct server_state {
    std::mutex m;
    int control = -1;
    pid_t owner = 0; // who started it; another process, forked from this one, has none
};
// Never destroyed: pools may be statics.
server_state& state() noexcept
{
    static server_state& s = *new server_state;
    return s;
}

std::size_t count_threads()
{
    // Where the system does not say, the caller is trusted.
    DIR* const tasks = ::opendir("/proc/self/task");
    if (!tasks)
        return 1;
    std::size_t n = 0;
    while (const dirent* const d = ::readdir(tasks))
        n += d->d_name[0] != '.';
    ::closedir(tasks);
#if TANDEM_TSAN
    // ThreadSanitizer has a thread of its own, which it stops for a fork.
    n -= n > 1;
#endif
    return n;
}

[[noreturn]] void throw_errno(const char* what) { throw std::system_error(errno, std::system_category(), what); }

void start_server(server_state& s)
{
    if (const std::size_t n = count_threads(); n > 1)
        throw std::logic_error("process_server::start: this program already has " + std::to_string(n) +
                               " threads, and cannot be forked any more; call tandem::process_server::start() at the top of "
                               "main, before a thread is started");
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        throw_errno("process_server::start: socketpair");
    detail::unique_fd ours(ends[0]);
    detail::unique_fd theirs(ends[1]);
#if defined(SYS_pidfd_open)
    detail::unique_fd self(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
#else
    detail::unique_fd self;
#endif
    std::fflush(nullptr); // else what is buffered is written by two
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    ::sigprocmask(SIG_SETMASK, &all, &before); // no handler of the program's runs in the server
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::close(ours.release());
        s.control = -1;
        s.owner = 0;
        s.m.unlock(); // held by our caller, who is not with us: a worker may start a server of its own
        detail::run_server(std::move(theirs), std::move(self));
    }
    const int error = errno;
    ::sigprocmask(SIG_SETMASK, &before, nullptr);
    if (pid < 0)
        throw std::system_error(error, std::system_category(), "process_server::start: fork");
    s.control = ours.release();
    s.owner = ::getpid();
}

void ensure_server(server_state& s)
{
    if (s.owner == ::getpid())
        return;
    if (s.control >= 0)
        ::close(s.control); // that of the program we were forked from
    s.control = -1;
    start_server(s);
}

} // namespace

void process_server::start()
{
    server_state& s = state();
    const std::lock_guard lock(s.m);
    ensure_server(s);
}

bool process_server::running() noexcept
{
    server_state& s = state();
    const std::lock_guard lock(s.m);
    return s.owner == ::getpid();
}

detail::unique_fd detail::connect_to_server()
{
    server_state& s = state();
    const std::lock_guard lock(s.m);
    ensure_server(s);
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        throw_errno("process_pool: socketpair");
    unique_fd ours(ends[0]);
    const unique_fd theirs(ends[1]);
    const server_request r{.what = server_request::verb::connect};
    if (const int error = send_message(s.control, &r, sizeof r, theirs.get(), 0))
        throw std::system_error(error, std::system_category(), "process_pool: the fork server has ended");
    return ours;
}

} // namespace tandem
