#include "curl_multi.hpp"

#include <tandem/base/unique_function.hpp>
#include <tandem/io/use_task.hpp>

#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <exception>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <utility>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace crawl {

namespace {

/// A socket of libcurl's that Asio waits for, through a descriptor of its own: libcurl closes a socket whose connection was not made before
/// it says CURL_POLL_REMOVE (7.88's cf_socket_close), and by then another thread may have the number, and its socket would be taken out of
/// epoll.
struct watched {
    template <class Executor>
    watched(const Executor& ex, curl_socket_t s) : descriptor(ex), socket(s)
    {
        const int own = fcntl(s, F_DUPFD_CLOEXEC, 0);
        asio::error_code error(own < 0 ? errno : 0, asio::error::get_system_category());
        if (!error)
            descriptor.assign(own, error);
        if (!descriptor.is_open()) {
            ::close(own);
            throw asio::system_error(error, "watching a socket");
        }
    }
    void give_up()
    {
        asio::error_code ignored; // nothing is lost with it
        descriptor.close(ignored);
        wanted = 0;
    }
    asio::posix::stream_descriptor descriptor;
    curl_socket_t socket;
    int wanted = 0; // CURL_POLL_IN and CURL_POLL_OUT
    int waiting = 0;
};

struct transfer {
    CURL* easy;
    tandem::unique_function<void(asio::error_code, CURLcode)> done;
};

} // namespace

struct curl_multi::state : std::enable_shared_from_this<state> {
    state(asio::thread_pool& io, const connection_limits& limits) : strand(asio::make_strand(io.get_executor())), timer(strand)
    {
        if (!multi)
            throw std::runtime_error("curl_multi_init failed");
        curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, &socket_wanted);
        curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, this);
        curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, &time_wanted);
        curl_multi_setopt(multi, CURLMOPT_TIMERDATA, this);
        curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, limits.connections);
        curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, limits.connections);
        curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS, limits.per_host);
        curl_multi_setopt(multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX); // HTTP/2: many requests on one connection
    }
    ~state()
    {
        closing = true;
        curl_multi_cleanup(multi); // closes what is kept open
    }

    // --- what the strand does ------------------------------------------------------------------

    void start(std::uint64_t id, transfer t)
    {
        curl_easy_setopt(t.easy, CURLOPT_PRIVATE, reinterpret_cast<void*>(id));
        curl_easy_setopt(t.easy, CURLOPT_OPENSOCKETFUNCTION, &socket_opened);
        curl_easy_setopt(t.easy, CURLOPT_OPENSOCKETDATA, this);
        CURL* const easy = t.easy;
        transfers.emplace(id, std::move(t));
        const CURLMcode code = curl_multi_add_handle(multi, easy);
        if (code != CURLM_OK)
            finish(id, {}, CURLE_FAILED_INIT);
    }
    void cancel(std::uint64_t id) // which may have ended
    {
        const auto found = transfers.find(id);
        if (found == transfers.end())
            return;
        curl_multi_remove_handle(multi, found->second.easy);
        finish(id, asio::error::operation_aborted, CURLE_OK);
    }
    void finish(std::uint64_t id, asio::error_code error, CURLcode code)
    {
        auto node = transfers.extract(id);
        if (!node.empty())
            node.mapped().done(error, code);
    }
    void act(curl_socket_t socket, int events)
    {
        int running = 0;
        curl_multi_socket_action(multi, socket, events, &running);
        int left = 0;
        while (const CURLMsg* const message = curl_multi_info_read(multi, &left)) {
            if (message->msg != CURLMSG_DONE)
                continue;
            CURL* const easy = message->easy_handle;
            const CURLcode code = message->data.result;
            char* id = nullptr;
            curl_easy_getinfo(easy, CURLINFO_PRIVATE, &id);
            curl_multi_remove_handle(multi, easy); // `message` is gone with it
            finish(reinterpret_cast<std::uintptr_t>(id), {}, code);
        }
    }

    // --- sockets -------------------------------------------------------------------------------

    static int socket_wanted(CURL*, curl_socket_t socket, int what, void* self, void*)
    {
        auto& s = *static_cast<state*>(self);
        if (what == CURL_POLL_REMOVE)
            s.forget(socket);
        else if (!s.closing)
            s.watch(socket, what & CURL_POLL_INOUT);
        return 0;
    }
    // A number that is still watched belonged to a socket that was closed without a word. libcurl takes the new one for the same, and does
    // not say again what it waits for.
    static curl_socket_t socket_opened(void* self, curlsocktype, curl_sockaddr* a)
    {
        auto& s = *static_cast<state*>(self);
        const curl_socket_t opened = ::socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
        if (const int wanted = s.forget(opened))
            s.watch(opened, wanted);
        return opened;
    }
    void watch(curl_socket_t socket, int wanted)
    {
        try {
            auto at = sockets.find(socket);
            if (at == sockets.end())
                at = sockets.emplace(socket, std::make_shared<watched>(strand, socket)).first;
            at->second->wanted = wanted;
            wait(at->second);
        }
        catch (const std::exception&) { // libcurl is C: the transfer is left to its timeout
            forget(socket);
        }
    }
    // What it was watched for. A wait that is pending ends with an error, and finds the socket given up.
    int forget(curl_socket_t socket)
    {
        const auto found = sockets.find(socket);
        if (found == sockets.end())
            return 0;
        const int wanted = found->second->wanted;
        found->second->give_up();
        sockets.erase(found);
        return wanted;
    }
    void wait(const std::shared_ptr<watched>& w)
    {
        wait(w, CURL_POLL_IN, asio::posix::stream_descriptor::wait_read);
        wait(w, CURL_POLL_OUT, asio::posix::stream_descriptor::wait_write);
    }
    void wait(const std::shared_ptr<watched>& w, int direction, asio::posix::stream_descriptor::wait_type type)
    {
        if ((w->wanted & direction) == 0 || (w->waiting & direction) != 0)
            return;
        w->waiting |= direction;
        w->descriptor.async_wait(type, [self = shared_from_this(), w, direction](asio::error_code error) {
            w->waiting &= ~direction;
            if ((w->wanted & direction) == 0)
                return; // given up, or no longer asked for
            self->act(w->socket, error ? CURL_CSELECT_ERR : direction == CURL_POLL_IN ? CURL_CSELECT_IN : CURL_CSELECT_OUT);
            self->wait(w); // it is for one event only
        });
    }

    // --- time ----------------------------------------------------------------------------------

    // libcurl moves its one deadline with every transfer, mostly to later. So the timer is left as it is when it comes early enough, and
    // looks then whether it is time.
    static int time_wanted(CURLM*, long milliseconds, void* self)
    {
        auto& s = *static_cast<state*>(self);
        s.deadline = milliseconds < 0 ? clock::time_point::max() : clock::now() + std::chrono::milliseconds(milliseconds);
        if (s.closing || milliseconds < 0)
            return 0;
        if (milliseconds > 0)
            s.arm();
        else if (!std::exchange(s.due, true)) // not here: libcurl must not be entered from its own callback
            asio::post(s.strand, [alive = s.shared_from_this()] {
                alive->due = false;
                alive->look_at_time();
            });
        return 0;
    }
    void arm()
    {
        if (armed_for <= deadline)
            return;
        armed_for = deadline;
        timer.expires_at(deadline);
        timer.async_wait([weak = weak_from_this()](asio::error_code error) {
            const auto alive = weak.lock();
            if (error || !alive)
                return; // another wait has taken the place of this one
            alive->armed_for = clock::time_point::max();
            alive->look_at_time();
        });
    }
    void look_at_time()
    {
        if (clock::now() >= deadline) {
            deadline = clock::time_point::max();
            act(CURL_SOCKET_TIMEOUT, 0);
        }
        else if (deadline != clock::time_point::max())
            arm();
    }

    using clock = std::chrono::steady_clock;
    asio::strand<asio::thread_pool::executor_type> strand;
    CURLM* multi = curl_multi_init();
    asio::steady_timer timer;
    clock::time_point deadline = clock::time_point::max();  // of libcurl's
    clock::time_point armed_for = clock::time_point::max(); // what the timer waits for
    bool due = false;                                       // and somebody will look
    std::unordered_map<curl_socket_t, std::shared_ptr<watched>> sockets;
    std::unordered_map<std::uint64_t, transfer> transfers;
    std::atomic<std::uint64_t> last_id{0};
    bool closing = false;
};

curl_multi::curl_multi(asio::thread_pool& io, const connection_limits& limits) : state_(std::make_shared<state>(io, limits)) {}

// In the strand, since an event of a connection that is kept open may be about to be handled there.
curl_multi::~curl_multi()
{
    auto& strand = state_->strand;
    asio::post(strand, [s = std::move(state_)]() mutable {
        s->closing = true;
        s->timer.cancel();
        for (auto& [socket, w] : s->sockets)
            w->give_up();
    });
}

// [crawl_perform]
tandem::task<CURLcode> curl_multi::perform(CURL* easy)
{
    // An asynchronous operation as Asio has them, so that `use_task` brings the waiting and the cancellation.
    const auto initiate = [](auto handler, std::shared_ptr<state> s, CURL* e) {
        const std::uint64_t id = ++s->last_id;
        auto slot = asio::get_associated_cancellation_slot(handler);
        if (slot.is_connected())
            slot.assign([s, id](asio::cancellation_type) { asio::post(s->strand, [s, id] { s->cancel(id); }); });
        // The task goes on outside the strand: what it does with the page must not hold up the other transfers.
        auto done = [h = std::move(handler)](asio::error_code error, CURLcode code) mutable {
            const auto ex = asio::get_associated_executor(h);
            asio::post(ex, [h = std::move(h), error, code]() mutable { std::move(h)(error, code); });
        };
        asio::post(s->strand, [s, id, t = transfer{e, std::move(done)}]() mutable { s->start(id, std::move(t)); });
    };
    auto operation =
        asio::async_initiate<const tandem::use_task_t, void(asio::error_code, CURLcode)>(initiate, tandem::use_task, state_, easy);
    co_return co_await std::move(operation);
}
// [/crawl_perform]

} // namespace crawl
