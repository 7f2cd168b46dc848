// What the fork server does. It has one thread and knows nothing of the work: it forks, kills, and reports who has died.

#include <tandem/process/detail/frame.hpp>
#include <tandem/process/detail/server_protocol.hpp>

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/prctl.h>
#endif

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

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

/// The descriptors that stay, moved to 3 and the numbers after it (-1 for those that were not there); all others are closed.
template <std::size_t N>
void keep_only(int (&fds)[N]) noexcept
{
    for (int& fd : fds) // out of the way first
        if (fd >= 0)
            fd = ::fcntl(fd, F_DUPFD_CLOEXEC, 3 + static_cast<int>(N));
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

extern "C" void only_wakes(int) {}

/// What the server itself has changed, and workers do not want so; SIGINT besides.
constexpr int servers_signals[] = {SIGCHLD, SIGHUP, SIGTERM, SIGPIPE};

void default_signals() noexcept
{
    for (int s = 1; s < NSIG; ++s)
        if (s != SIGKILL && s != SIGSTOP)
            ::signal(s, SIG_DFL);
}

struct client {
    unique_fd socket;
    std::deque<server_reply> unsent; // it does not read: its reports wait here
};

struct child {
    pid_t pid;
    std::uint64_t id;
    client* owner; // null: gone, nobody wants to know
};

class server {
public:
    server(int control, int parent) noexcept : control_(control), parent_(parent) {}
    [[noreturn]] void run();

private:
    bool serve_control();
    bool serve(client& c);
    void spawn(client& c, const server_request& r, unique_fd socket);
    void report(client& c, const server_reply& r);
    void send_unsent(client& c) noexcept;
    void reap();
    void drop(client& c);
    [[noreturn]] void leave() noexcept;

    const int control_;
    const int parent_;
    const pid_t self_ = ::getpid();
    std::vector<std::unique_ptr<client>> clients_;
    std::vector<child> children_;
};

void server::run()
{
    // SIGCHLD is let in only while we wait, so none is missed.
    sigset_t while_waiting;
    sigset_t child_only;
    sigemptyset(&while_waiting);
    sigemptyset(&child_only);
    sigaddset(&child_only, SIGCHLD);
    ::sigprocmask(SIG_SETMASK, &child_only, nullptr);
    struct sigaction action{};
    action.sa_handler = &only_wakes;
    ::sigaction(SIGCHLD, &action, nullptr);

    std::vector<pollfd> polled;
    for (;;) {
        polled.assign({{control_, POLLIN, 0}, {parent_, POLLIN, 0}});
        for (const auto& c : clients_)
            polled.push_back({c->socket.get(), static_cast<short>(c->unsent.empty() ? POLLIN : POLLIN | POLLOUT), 0});
        const std::size_t known = clients_.size();
        if (::ppoll(polled.data(), polled.size(), nullptr, &while_waiting) < 0 && errno != EINTR)
            leave();
        reap();
        if (polled[1].revents != 0 || (polled[0].revents != 0 && !serve_control()))
            leave();
        for (std::size_t k = known; k-- > 0;) {
            client& c = *clients_[k];
            const short happened = polled[k + 2].revents;
            if (happened & POLLOUT)
                send_unsent(c);
            if (happened & ~POLLOUT && !serve(c)) {
                drop(c);
                clients_.erase(clients_.begin() + static_cast<std::ptrdiff_t>(k));
            }
        }
    }
}

bool server::serve_control()
{
    server_request r;
    unique_fd fd;
    if (receive_message(control_, &r, sizeof r, fd, MSG_DONTWAIT) <= 0)
        return false;
    if (fd)
        clients_.push_back(std::make_unique<client>(client{std::move(fd), {}}));
    return true;
}

bool server::serve(client& c)
{
    server_request r;
    unique_fd fd;
    const std::ptrdiff_t n = receive_message(c.socket.get(), &r, sizeof r, fd, MSG_DONTWAIT);
    if (n < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK;
    if (n == 0)
        return false;
    if (r.what == server_request::verb::spawn && fd)
        spawn(c, r, std::move(fd));
    else if (r.what == server_request::verb::kill)
        for (const child& k : children_)
            if (k.id == r.id && k.owner == &c)
                ::kill(k.pid, SIGKILL); // not reaped yet, so the number is still its own
    return true;
}

void server::spawn(client& c, const server_request& r, unique_fd socket)
{
    const pid_t pid = ::fork();
    if (pid == 0) {
#if defined(__linux__)
        ::prctl(PR_SET_PDEATHSIG, SIGKILL); // the server never goes first but by force
        if (::getppid() != self_)
            ::_exit(0);
#endif
        int keep[] = {socket.release()};
        keep_only(keep);
        for (const int s : servers_signals) // the others are as they should be
            ::signal(s, SIG_DFL);
        ::signal(SIGINT, SIG_IGN); // Ctrl-C goes to the whole group; the parent decides
        sigset_t none;
        sigemptyset(&none);
        ::sigprocmask(SIG_SETMASK, &none, nullptr);
        set_name(r.name);
        run_worker(keep[0]);
    }
    if (pid < 0) {
        report(c, {.what = server_reply::verb::failed, .id = r.id, .status = errno});
        return;
    }
    children_.push_back({pid, r.id, &c});
    report(c, {.what = server_reply::verb::spawned, .id = r.id, .pid = pid});
}

void server::report(client& c, const server_reply& r)
{
    c.unsent.push_back(r);
    send_unsent(c);
}

void server::send_unsent(client& c) noexcept
{
    while (!c.unsent.empty() && send_message(c.socket.get(), &c.unsent.front(), sizeof(server_reply), -1, MSG_DONTWAIT) == 0)
        c.unsent.pop_front();
}

void server::reap()
{
    int status = 0;
    for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;)
        for (std::size_t k = 0; k < children_.size(); ++k)
            if (children_[k].pid == pid) {
                const child gone = children_[k];
                children_.erase(children_.begin() + static_cast<std::ptrdiff_t>(k));
                if (gone.owner)
                    report(*gone.owner, {.what = server_reply::verb::died, .id = gone.id, .pid = pid, .status = status});
                break;
            }
}

void server::drop(client& c)
{
    for (child& k : children_)
        if (k.owner == &c) {
            ::kill(k.pid, SIGKILL);
            k.owner = nullptr;
        }
}

void server::leave() noexcept
{
    for (const child& k : children_)
        ::kill(k.pid, SIGKILL);
    for (const child& k : children_)
        ::waitpid(k.pid, nullptr, 0);
    ::_exit(0);
}

} // namespace

void run_server(unique_fd control, unique_fd parent) noexcept
{
    int keep[] = {control.release(), parent.release()};
    keep_only(keep);
    const int nothing = ::open("/dev/null", O_RDONLY);
    if (nothing >= 0) {
        ::dup2(nothing, 0);
        ::close(nothing);
    }
    default_signals();
    for (const int s : {SIGINT, SIGHUP, SIGTERM, SIGPIPE})
        ::signal(s, SIG_IGN); // what the terminal sends to the group is the parent's to act on; we go when it goes
    set_name("tandem-server");
    static_cast<void>(::getppid()); // as a worker does first; see there
    rehearse_worker();
    server(keep[0], keep[1]).run();
}

} // namespace tandem::detail
