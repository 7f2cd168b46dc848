// What the fork server does. It has one thread and knows nothing of the work: it forks, kills, and reports who has died.

#include <tandem/process/detail/child_setup.hpp>
#include <tandem/process/detail/frame.hpp>
#include <tandem/process/detail/server_protocol.hpp>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

namespace tandem::detail {

namespace {

extern "C" void only_wakes(int) {}

struct client {
    unique_fd socket;
    std::deque<server_reply> unsent; // it does not read: its reports wait here
};

struct child {
    pid_t pid;
    std::uint64_t id;
    client* owner; // null: gone, nobody wants to know; or the spare
};

class server {
public:
    server(int control, int parent) noexcept : control_(control), parent_(parent) {}
    [[noreturn]] void run();

private:
    bool serve_control();
    bool serve(client& c);
    [[nodiscard]] int prepare_spare();
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
    // A worker forked ahead, so that one that dies has a successor without delay. It waits at the other end of this.
    unique_fd spare_;
    pid_t spare_pid_ = 0; // of the last; it may have become a worker
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

/// Forks a spare worker, unless there is one. Returns 0 or an errno.
int server::prepare_spare()
{
    if (spare_)
        return 0;
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return errno;
    unique_fd ours(ends[0]);
    unique_fd theirs(ends[1]);
    const pid_t pid = ::fork();
    if (pid == 0)
        wait_for_a_pool(std::move(theirs), self_);
    if (pid < 0)
        return errno;
    children_.push_back({pid, 0, nullptr});
    spare_ = std::move(ours);
    spare_pid_ = pid;
    return 0;
}

void server::spawn(client& c, const server_request& r, unique_fd socket)
{
    int error = 0;
    for (int attempt = 0; attempt < 2; ++attempt) { // a spare that somebody killed shows now
        error = prepare_spare();
        if (error != 0)
            break;
        child& k = *std::ranges::find(children_, spare_pid_, &child::pid);
        error = send_message(spare_.get(), &r, sizeof r, socket.get(), MSG_DONTWAIT);
        spare_ = {};
        if (error == 0) {
            k.id = r.id;
            k.owner = &c;
            report(c, {.what = server_reply::verb::spawned, .id = r.id, .pid = k.pid});
            socket = {};                        // not for the spare to inherit
            static_cast<void>(prepare_spare()); // for the next; if that fails, it will then
            return;
        }
    }
    report(c, {.what = server_reply::verb::failed, .id = r.id, .status = error});
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
                if (pid == spare_pid_)
                    spare_ = {};
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
