// An HTTP/1.1 JSON service: keep-alive and pipelining, limits on the size of a request and on the time for it, CPU-heavy work on a pool
// of its own so that it does not hold up the rest (with --processes N one of processes, where a crash costs one answer), /metrics, and a
// graceful stop on Ctrl-C or SIGTERM with requests in flight.
//   curl localhost:8080/hello?name=ada      curl localhost:8080/primes?below=1000000      curl -d '[1,2,3]' localhost:8080/sum

#include "command_line.hpp"
#include "http_message.hpp"

#include <tandem/io/serve.hpp>
#include <tandem/io/signals.hpp>
#include <tandem/io/stream.hpp>
#include <tandem/process/process_pool.hpp>
#include <tandem/tandem.hpp>

#include <asio/ip/tcp.hpp>
#include <asio/thread_pool.hpp>

#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdint>
#include <optional>
#include <vector>

using asio::ip::tcp;
using tandem::task;
using namespace std::chrono_literals;

struct service {
    std::chrono::duration<double> read_timeout; // for a request, from its first byte to its last
    std::chrono::duration<double> idle_timeout; // between requests
    http::limits limits;
    tandem::thread_pool& cpu;
    std::optional<tandem::process_pool>& processes; // in its place, if there is one
    tandem::serve_counters connections{};
    tandem::stop_source closing{}; // ends what waits for a request that has not begun
    std::atomic<std::uint64_t> requests = 0;
    std::atomic<std::uint64_t> refused = 0;
    std::atomic<std::uint64_t> in_flight = 0;

    task<> operator()(tcp::socket socket);
    task<http::response> answer(const http::request& r);
    task<std::size_t> primes(std::size_t below);
    [[nodiscard]] std::string metrics() const;
};

// --- routes ------------------------------------------------------------------------------------

template <class T>
T number(std::string_view text)
{
    T n{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    bool good = error == std::errc() && end == text.data() + text.size();
    if constexpr (std::is_floating_point_v<T>)
        good = good && std::isfinite(n);
    if (!good)
        throw http::refusal(400, "a number was expected");
    return n;
}

template <class Stopped>
std::size_t count_primes(std::size_t below, Stopped stopped)
{
    std::vector<bool> composite(below, false);
    std::size_t count = 0;
    for (std::size_t n = 2; n < below; ++n) {
        if (composite[n])
            continue;
        if (stopped())
            throw tandem::operation_cancelled("count_primes");
        ++count;
        for (std::size_t m = n * n; m < below; m += n)
            composite[m] = true;
    }
    return count;
}

task<std::size_t> primes_here(std::size_t below)
{
    const tandem::stop_token stop = co_await tandem::this_task::stop_token();
    co_return count_primes(below, [&] { return stop.stop_requested(); });
}

std::size_t primes_elsewhere(std::size_t below)
{
    return count_primes(below, [] { return false; });
}

task<std::size_t> service::primes(std::size_t below)
{
    if (processes) {
        auto call = processes->apply_async(primes_elsewhere, tandem::args(below));
        co_return co_await std::move(call);
    }
    auto call = tandem::schedule_on(cpu, primes_here(below));
    co_return co_await std::move(call);
}

std::string_view trimmed(std::string_view text)
{
    constexpr std::string_view blanks = " \n\r\t";
    text = text.substr(0, text.find_last_not_of(blanks) + 1);
    return text.substr(std::min(text.find_first_not_of(blanks), text.size()));
}

double sum_of_array(std::string_view json)
{
    json = trimmed(json);
    if (json.size() < 2 || json.front() != '[' || json.back() != ']')
        throw http::refusal(400, "a JSON array of numbers was expected");
    json = trimmed(json.substr(1, json.size() - 2));
    double sum = 0;
    while (!json.empty()) {
        const std::size_t comma = json.find(',');
        sum += number<double>(trimmed(json.substr(0, comma)));
        if (comma == std::string_view::npos)
            break;
        json.remove_prefix(comma + 1);
        if (json.empty())
            throw http::refusal(400, "a number was expected after the comma");
    }
    if (!std::isfinite(sum))
        throw http::refusal(400, "the sum is too large");
    return sum;
}

task<http::response> service::answer(const http::request& r)
{
    const std::string_view path = r.path();
    if (path == "/plaintext")
        co_return http::response{.body = "Hello, World!", .type = "text/plain"};
    if (path == "/hello")
        co_return http::response{.body = fmt::format("{{\"hello\":{}}}", http::json_string(r.query("name")))};
    if (path == "/metrics")
        co_return http::response{.body = metrics(), .type = "text/plain; version=0.0.4"};
    if (path == "/primes") {
        const auto below = number<std::size_t>(r.query("below"));
        if (below > 100'000'000)
            throw http::refusal(400, "below must not be more than 100000000");
        const std::size_t count = co_await primes(below);
        co_return http::response{.body = fmt::format("{{\"below\":{},\"primes\":{}}}", below, count)};
    }
    if (path == "/sum") {
        if (r.method != "POST")
            co_return http::response{.status = 405, .body = R"({"error":"POST a JSON array of numbers"})"};
        co_return http::response{.body = fmt::format("{{\"sum\":{}}}", sum_of_array(r.body))};
    }
    co_return http::response{
        .status = 404, .body = fmt::format("{{\"error\":\"no such path\",\"path\":{}}}", http::json_string(path))};
}

std::string service::metrics() const
{
    return fmt::format(
        "http_requests_total {}\nhttp_refused_total {}\nhttp_in_flight {}\nconnections_open {}\nconnections_total {}\n",
        requests.load(), refused.load(), in_flight.load(), connections.open.load(), connections.accepted.load());
}

struct counted {
    explicit counted(std::atomic<std::uint64_t>& n) : number(n) { ++number; }
    ~counted() { --number; }
    counted(const counted&) = delete;
    counted& operator=(const counted&) = delete;
    std::atomic<std::uint64_t>& number;
};

// --- a connection ------------------------------------------------------------------------------

task<> service::operator()(tcp::socket socket)
{
    socket.set_option(tcp::no_delay(true));
    std::array<char, 16 * 1024> buffer;
    std::string_view unread;
    std::string out;
    http::parser parser(limits);
    bool keep_alive = true;
    bool idle = false; // waiting for a request that has not begun
    while (keep_alive) {
        http::response response;
        bool with_body = true;
        try {
            std::chrono::steady_clock::time_point deadline; // of a request that has begun
            while (!parser.complete()) {
                if (unread.empty()) {
                    if (parser.waits_for_continue())
                        out += "HTTP/1.1 100 Continue\r\n\r\n";
                    // What was answered goes out before we wait for more: pipelined requests are answered together.
                    if (!out.empty()) {
                        co_await tandem::with_timeout(tandem::write(socket, asio::buffer(out)), read_timeout);
                        out.clear();
                    }
                    auto read = tandem::read_some(socket, asio::buffer(buffer));
                    std::size_t n = 0;
                    if (parser.begun())
                        n = co_await tandem::with_timeout(std::move(read), deadline);
                    else {
                        idle = true;
                        n = co_await tandem::with_timeout(
                            tandem::also_stopped_by(closing.get_token(), std::move(read)), idle_timeout);
                        idle = false;
                    }
                    unread = {buffer.data(), n};
                }
                if (!parser.begun())
                    deadline =
                        std::chrono::steady_clock::now() + std::chrono::duration_cast<std::chrono::nanoseconds>(read_timeout);
                unread.remove_prefix(parser.feed(unread));
            }
            const http::request request = parser.take();
            const counted one(in_flight);
            ++requests;
            keep_alive = request.keep_alive && !closing.stop_requested();
            with_body = request.method != "HEAD";
            response = co_await answer(request);
        }
        catch (const http::refusal& e) {
            response = {.status = e.status, .body = fmt::format("{{\"error\":{}}}", http::json_string(e.what()))};
            ++refused;
            keep_alive = false;
        }
        catch (const tandem::timeout_error&) {
            if (idle)
                co_return;
            response = {.status = 408, .body = R"({"error":"the request took too long"})"};
            ++refused;
            keep_alive = false;
        }
        catch (const tandem::worker_died&) {
            response = {.status = 500, .body = R"({"error":"the computation crashed"})"};
        }
        catch (const tandem::operation_cancelled&) {
            if (idle)
                co_return;
            throw; // cut off
        }
        http::append(out, response, keep_alive, with_body);
    }
    co_await tandem::with_timeout(tandem::write(socket, asio::buffer(out)), read_timeout);
    // What the client still sends is read and dropped for a moment: to close with it unread would reset the connection, and the answer
    // might be lost on the way.
    asio::error_code gone;
    socket.shutdown(tcp::socket::shutdown_send, gone);
    if (gone)
        co_return;
    const auto until = std::chrono::steady_clock::now() + 200ms;
    for (std::size_t dropped = 0; dropped < 4 * limits.body;)
        dropped += co_await tandem::with_timeout(tandem::read_some(socket, asio::buffer(buffer)), until);
}

int main(int argc, char** argv)
{
    unsigned short port = 8080;
    int threads = 2;
    int process_count = 0;
    double read_timeout = 10;
    double idle_timeout = 60;
    double drain = 10;
    read_command_line(argc, argv, option("--port", port, 0, 65535), option("--threads", threads, 1, 1024),
        option("--processes", process_count, 0, 1024), option("--read-timeout", read_timeout, 0.001, 1e6),
        option("--idle-timeout", idle_timeout, 0.001, 1e6), option("--drain", drain, 0, 1e6));
    using seconds = std::chrono::duration<double>;
    try {
        std::optional<tandem::process_pool> processes; // the first, since none can be made by a program that has threads
        if (process_count > 0)
            processes.emplace(static_cast<std::size_t>(process_count));
        tandem::thread_pool cpu{{.threads = tandem::default_thread_count(), .name = "cpu"}};
        service s{.read_timeout = seconds(read_timeout),
            .idle_timeout = seconds(idle_timeout),
            .limits = {},
            .cpu = cpu,
            .processes = processes};
        tandem::thread_pool pool{{.threads = static_cast<std::size_t>(threads), .name = "http"}};
        tcp::acceptor acceptor{pool.context(), tcp::endpoint{asio::ip::address_v4::any(), port}};
        auto stop = tandem::wait_signal(pool, {SIGINT, SIGTERM});
        fmt::print("listening on port {}; Ctrl-C stops\n", acceptor.local_endpoint().port());
        std::fflush(stdout);

        tandem::serve_options options{.drain = std::chrono::duration_cast<std::chrono::nanoseconds>(seconds(drain))};
        options.on_error = [](const std::exception_ptr& e) {
            try {
                std::rethrow_exception(e);
            }
            catch (const tandem::timeout_error&) {
                // a client that does not read its answer
            }
            catch (const std::exception& x) {
                fmt::print(stderr, "http_service: {}\n", x.what());
            }
        };
        auto serving = tandem::co_spawn(pool, tandem::serve(acceptor, std::ref(s), options, &s.connections));
        tandem::sync_wait(pool, std::move(stop));
        serving.cancel();
        s.closing.request_stop();
        serving.get();
        fmt::print("stopped; requests: {}, connections: {}, cut off: {}\n", s.requests.load(), s.connections.accepted.load(),
            s.connections.cancelled.load());
    }
    catch (const std::exception& e) {
        fmt::print(stderr, "http_service: port {}: {}\n", port, e.what());
        return 1;
    }
}
