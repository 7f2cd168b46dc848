// A web server to test crawlers with: it serves a folder, or a made-up site of any size, after a delay if asked to; and below /bad/ all
// that a server can do wrong. It writes the requests to a file, one line each, so that a test can see what was asked for.

#include "../../command_line.hpp"
#include "bad_pages.hpp"
#include "http_connection.hpp"

#include <tandem/io/serve.hpp>
#include <tandem/io/signals.hpp>
#include <tandem/tandem.hpp>

#include <asio/ip/tcp.hpp>
#include <asio/thread_pool.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <iterator>

using asio::ip::tcp;
using tandem::task;
using namespace std::chrono_literals;

namespace {

// "/made/1000/17": page 17 of a site of 1000, with links to all others within a few steps.
std::string made_page(const std::string& target)
{
    long size = 0;
    long number = 0;
    if (std::sscanf(target.c_str(), "/made/%ld/%ld", &size, &number) != 2 || number < 0 || number >= size)
        return {};
    std::string page = fmt::format("<!doctype html><title>{}</title>\n", number);
    unsigned long random = static_cast<unsigned long>(number);
    for (int i = 0; i < 20; ++i) {
        random = random * 6364136223846793005 + 1442695040888963407;
        const long to = i < 3 ? 3 * number + 1 + i : static_cast<long>((random >> 33) % static_cast<unsigned long>(size));
        if (to < size)
            page += fmt::format("<p>{:016x}{:016x} <a href=\"/made/{}/{}\">page {}</a></p>\n", random, random * 31, size, to, to);
    }
    return page;
}

std::string decoded(const std::string& path)
{
    std::string out;
    for (std::size_t i = 0; i < path.size(); ++i) {
        unsigned value = 0;
        if (path[i] == '%' && std::sscanf(path.c_str() + i + 1, "%2x", &value) == 1) {
            out += static_cast<char>(value);
            i += 2;
        }
        else
            out += path[i];
    }
    return out;
}

std::string type_of(const std::string& path)
{
    return path.ends_with(".html") || path.find('.') == std::string::npos ? "text/html" : "application/octet-stream";
}

struct web_server {
    struct counted {
        explicit counted(web_server& s) : server(s) { server.most_under_way = std::max(server.most_under_way, ++server.under_way); }
        ~counted() { --server.under_way; }
        counted(const counted&) = delete;
        counted& operator=(const counted&) = delete;
        web_server& server;
    };

    std::string root;
    std::chrono::nanoseconds delay;
    FILE* log;
    bad_pages bad;
    long requests = 0;
    long under_way = 0;
    long most_under_way = 0;

    task<> operator()(tcp::socket socket)
    {
        http_connection c(std::move(socket));
        while (auto target = co_await c.read_request()) {
            if (log) {
                fmt::print(log, "{}\n", *target);
                std::fflush(log); // a test may be waiting for it
            }
            ++requests;
            const counted one(*this);
            if (delay > 0ns)
                co_await tandem::sleep_for(delay);
            bool alive = true;
            if (target->starts_with("/bad/"))
                alive = co_await bad.answer(c, *target);
            else
                co_await answer(c, *target);
            if (!alive)
                co_return;
        }
    }

    task<> answer(http_connection& c, const std::string& target)
    {
        if (target.starts_with("/made/")) {
            const std::string page = made_page(target);
            co_return co_await c.send(page.empty() ? 404 : 200, "text/html", page);
        }
        std::string path = decoded(target.substr(0, target.find('?')));
        if (path.ends_with('/'))
            path += "index.html";
        if (std::ifstream instead(root + path + ".status"); !root.empty() && instead) { // it holds the status to answer with
            int status = 500;
            instead >> status;
            co_return co_await c.send(status, "text/html", "no");
        }
        if (std::ifstream instead(root + path + ".location"); !root.empty() && instead) { // it holds where to go
            std::string location;
            instead >> location;
            const std::string headers = "Location: " + location + "\r\n";
            co_return co_await c.send(302, "text/html", "", headers);
        }
        std::ifstream file(root + path, std::ios::binary);
        if (root.empty() || !file || path.find("..") != std::string::npos)
            co_return co_await c.send(404, "text/html", "<p>no such page</p>");
        const std::string content(std::istreambuf_iterator<char>(file), {});
        if (path.ends_with(".gz")) // packed content, unpacked by whoever reads it
            co_return co_await c.send(200, "text/plain", content, "Content-Encoding: gzip\r\n");
        co_await c.send(200, type_of(path), content);
    }
};

} // namespace

int main(int argc, char** argv)
{
    unsigned short port = 0;
    double delay = 0;
    long bulk = 1'000'000;
    std::string root;
    std::string log_name;
    read_command_line(argc, argv, option("--port", port, 0, 65535), option("--delay", delay, 0, 60000),
        option("--bulk", bulk, 1, 1e9), option("--root", root), option("--log", log_name));
    try {
        web_server server{.root = root,
            .delay = std::chrono::nanoseconds(static_cast<long>(delay * 1e6)),
            .log = log_name.empty() ? nullptr : std::fopen(log_name.c_str(), "w"),
            .bad = bad_pages(bulk)};
        tandem::thread_pool pool{1};
        tcp::acceptor acceptor{pool.context(), tcp::endpoint{asio::ip::address_v4::loopback(), port}};
        auto stop = tandem::wait_signal(pool, {SIGINT, SIGTERM});
        fmt::print("listening on port {}; Ctrl-C stops\n", acceptor.local_endpoint().port());
        std::fflush(stdout);
        tandem::serve_options options{.drain = 0s};
        options.on_error = [](const std::exception_ptr&) {}; // clients that leave in the middle are what this is about
        auto serving = tandem::serve(acceptor, std::ref(server), options);
        tandem::sync_wait(pool, tandem::race(std::move(serving), std::move(stop)));
        fmt::print("stopped; requests: {}, at a time: {}\n", server.requests, server.most_under_way);
        if (server.log)
            std::fclose(server.log);
    }
    catch (const std::exception& e) {
        fmt::print(stderr, "test_server: port {}: {}\n", port, e.what());
        return 1;
    }
}
