// A chat server: each line of a client goes to all the others. The first line is the name. A client has a channel with what is still to
// be sent to it, and a scope with two tasks, one that reads and one that writes; who is silent for --idle seconds, or too slow to
// read, has to go. Ctrl-C says goodbye to everybody. Try it with `nc localhost 7009`.

#include "command_line.hpp"

#include <tandem/io/serve.hpp>
#include <tandem/io/signals.hpp>
#include <tandem/io/stream.hpp>
#include <tandem/io/use_task.hpp>
#include <tandem/tandem.hpp>

#include <asio/ip/tcp.hpp>
#include <asio/read_until.hpp>
#include <asio/thread_pool.hpp>

#include <chrono>
#include <csignal>
#include <memory>
#include <mutex>
#include <set>

using asio::ip::tcp;
using tandem::task;
using tandem::use_task;
using namespace std::chrono_literals;

using message = std::shared_ptr<const std::string>; // one copy for all who get it

struct client {
    std::string name;
    tandem::channel<message> outbox{64};
};

class room {
public:
    void enter(client& c)
    {
        const std::lock_guard lock(m_); // a plain mutex: nobody waits in here
        clients_.insert(&c);
    }
    void leave(client& c)
    {
        const std::lock_guard lock(m_);
        clients_.erase(&c);
    }
    void say(const std::string& text, const client* except = nullptr)
    {
        const auto m = std::make_shared<const std::string>(text + "\n");
        const std::lock_guard lock(m_);
        for (client* const c : clients_)
            if (c != except && !c->outbox.try_send(m))
                c->outbox.close(); // does not read what it gets
    }
    void close()
    {
        const std::lock_guard lock(m_);
        for (client* const c : clients_)
            c->outbox.close();
    }

private:
    std::mutex m_;
    std::set<client*> clients_;
};

struct chat {
    std::chrono::duration<double> idle;
    room everybody;

    task<std::string> read_line(tcp::socket& socket, std::string& buffer) const
    {
        auto line = asio::async_read_until(socket, asio::dynamic_buffer(buffer, 1024), '\n', use_task);
        const std::size_t n = co_await tandem::with_timeout(std::move(line), idle);
        std::string text = buffer.substr(0, n - 1);
        buffer.erase(0, n);
        if (!text.empty() && text.back() == '\r')
            text.pop_back();
        co_return text;
    }

    // Until the outbox is closed, by the reader below, by who found it full, or when the server stops. What throws ends the reader as well.
    task<> write_all(tcp::socket& socket, client& me) const
    {
        while (const auto m = co_await me.outbox.receive()) {
            auto write = tandem::write(socket, asio::buffer(**m));
            co_await tandem::with_timeout(std::move(write), idle); // for one who does not read, but stays
        }
        asio::error_code gone;
        socket.shutdown(tcp::socket::shutdown_both, gone); // which ends the reader too
    }

    task<> read_all(tcp::socket& socket, std::string& buffer, client& me)
    {
        std::string goodbye = me.name + " has left";
        try {
            for (;;) {
                const std::string line = co_await read_line(socket, buffer);
                if (line == "/quit")
                    break;
                everybody.say(me.name + ": " + line, &me);
            }
        }
        catch (const tandem::timeout_error&) {
            goodbye = me.name + " has fallen asleep";
        }
        catch (const asio::system_error&) {
            // gone, or told to go
        }
        everybody.leave(me);
        everybody.say(goodbye);
        me.outbox.close();
    }

    task<> operator()(tcp::socket socket)
    {
        std::string buffer;
        std::string name = co_await read_line(socket, buffer);
        client me{.name = std::move(name)};
        everybody.enter(me);
        everybody.say(me.name + " has come"); // to him too: he is in
        co_await tandem::with_scope([&](tandem::task_scope& scope) -> task<> {
            scope.spawn(write_all(socket, me));
            co_await read_all(socket, buffer, me);
        });
    }
};

int main(int argc, char** argv)
{
    unsigned short port = 7009;
    double idle = 300;
    read_command_line(argc, argv, option("--port", port, 0, 65535), option("--idle", idle, 0.01, 1e6));
    try {
        chat c{.idle = std::chrono::duration<double>(idle), .everybody = {}};
        tandem::serve_counters count;
        tandem::thread_pool pool;
        tcp::acceptor acceptor{pool.context(), tcp::endpoint{asio::ip::address_v4::loopback(), port}};
        auto stop = tandem::wait_signal(pool, {SIGINT, SIGTERM});
        fmt::print("listening on port {}; Ctrl-C stops\n", acceptor.local_endpoint().port());
        std::fflush(stdout);

        tandem::serve_options options{.drain = 2s, .on_error = [](const std::exception_ptr&) {}}; // a client without a name, say
        auto serving = tandem::co_spawn(pool, tandem::serve(acceptor, std::ref(c), options, &count));
        tandem::sync_wait(pool, std::move(stop));
        serving.cancel();
        c.everybody.say("the server is going down");
        c.everybody.close(); // what is in the outboxes is still sent
        serving.get();
        fmt::print("stopped; connections: {}, cut off: {}\n", count.accepted.load(), count.cancelled.load());
    }
    catch (const std::exception& e) {
        fmt::print(stderr, "chat_server: port {}: {}\n", port, e.what());
        return 1;
    }
}
