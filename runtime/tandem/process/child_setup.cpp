#include <tandem/process/detail/child_setup.hpp>
#include <tandem/process/detail/frame.hpp>
#include <tandem/process/detail/server_protocol.hpp>

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/prctl.h>
#endif

#include <csignal>

namespace tandem::detail {

namespace {

void close_from(int first) noexcept
{
#if defined(SYS_close_range)
    if (::syscall(SYS_close_range, static_cast<unsigned>(first), ~0U, 0U) == 0)
        return;
#endif
    const long most = ::sysconf(_SC_OPEN_MAX);
    for (int fd = first; fd < (most > 0 ? most : 1024); ++fd)
        ::close(fd);
}

/// What the server itself has changed, and workers do not want so; SIGINT besides.
constexpr int servers_signals[] = {SIGCHLD, SIGHUP, SIGTERM, SIGPIPE};

} // namespace

void keep_only(std::span<int> fds) noexcept
{
    for (int& fd : fds) // out of the way first
        if (fd >= 0)
            fd = ::fcntl(fd, F_DUPFD_CLOEXEC, 3 + static_cast<int>(fds.size()));
    int next = 3;
    for (int& fd : fds)
        if (fd >= 0)
            fd = ::dup3(fd, next++, O_CLOEXEC);
    close_from(next);
}

void set_name(const char* name) noexcept
{
#if defined(__linux__)
    ::prctl(PR_SET_NAME, name);
#else
    static_cast<void>(name);
#endif
}

void default_signals() noexcept
{
    for (int s = 1; s < NSIG; ++s)
        if (s != SIGKILL && s != SIGSTOP)
            ::signal(s, SIG_DFL);
}

void wait_for_a_pool(unique_fd line, pid_t server) noexcept
{
#if defined(__linux__)
    ::prctl(PR_SET_PDEATHSIG, SIGKILL); // the server never goes first but by force
    if (::getppid() != server)
        ::_exit(0);
#endif
    int keep[] = {line.release()};
    keep_only(keep);
    for (const int s : servers_signals) // the others are as they should be
        ::signal(s, SIG_DFL);
    ::signal(SIGINT, SIG_IGN); // Ctrl-C goes to the whole group; the parent decides
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    set_name("tandem-spare");
    rehearse_worker();
    server_request r;
    unique_fd socket;
    if (receive_message(keep[0], &r, sizeof r, socket, 0) <= 0 || !socket)
        ::_exit(0);
    keep[0] = socket.release();
    keep_only(keep);
    set_name(r.name);
    run_worker(keep[0]);
}

} // namespace tandem::detail
