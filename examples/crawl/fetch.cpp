#include "fetch.hpp"

#include "curl_multi.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <csignal>
#include <exception>
#include <mutex>
#include <string_view>
#include <utility>
#include <vector>

namespace crawl {

namespace {

constexpr std::size_t longest_head = 256 * 1024;

struct libcurl {
    libcurl()
    {
        curl_global_init(CURL_GLOBAL_DEFAULT);
        std::signal(SIGPIPE, SIG_IGN); // CURLOPT_NOSIGNAL leaves it to us: writing to a connection that the other side has closed
    }
    ~libcurl() { curl_global_cleanup(); }
};

/// What libcurl's callbacks see. They are called from C: what they throw waits here until the transfer is over.
struct receiver {
    std::size_t take(std::string_view bytes) noexcept
    {
        try {
            if (r.content.size() + bytes.size() > max_bytes)
                throw fetch_error(fmt::format("larger than {} bytes", max_bytes), false);
            r.content.append(bytes);
            return bytes.size();
        }
        catch (...) {
            error = std::current_exception();
            return 0; // libcurl takes this for "no"
        }
    }
    std::size_t take_header(std::string_view line) noexcept
    {
        try {
            if (line.starts_with("HTTP/")) // the last head counts, not a "100 Continue" before it
                r.head.clear();
            if ((head_size += line.size()) > longest_head)
                throw fetch_error("its headers do not end", false);
            if (keep_head)
                r.head += line;
            return line.size();
        }
        catch (...) {
            error = std::current_exception();
            return 0;
        }
    }

    std::size_t max_bytes;
    bool keep_head;
    response r{};
    std::size_t head_size = 0;
    std::exception_ptr error{};
};

std::string header(CURL* easy, const char* name)
{
    curl_header* h = nullptr;
    return curl_easy_header(easy, name, 0, CURLH_HEADER, -1, &h) == CURLHE_OK ? h->value : "";
}

// Seconds, or a date.
std::optional<std::chrono::seconds> retry_after(const std::string& text)
{
    if (text.empty())
        return std::nullopt;
    long seconds = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    if (error != std::errc() || end != text.data() + text.size()) {
        const std::time_t at = curl_getdate(text.c_str(), nullptr);
        if (at < 0)
            return std::nullopt;
        seconds = static_cast<long>(at - std::time(nullptr));
    }
    return std::chrono::seconds(std::clamp(seconds, 0L, 86'400L));
}

bool is_transient(CURLcode code)
{
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_PARTIAL_FILE:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_SSL_CONNECT_ERROR:
        return true;
    default:
        return false;
    }
}

} // namespace

struct fetcher::shared {
    shared(asio::thread_pool& io, fetch_options o)
        : options(std::move(o)), connections(io, {.connections = options.connections, .per_host = options.per_host})
    {
    }
    ~shared()
    {
        for (CURL* const easy : idle)
            curl_easy_cleanup(easy);
    }

    // Handles are set up once and used again.
    CURL* take_handle()
    {
        {
            const std::lock_guard lock(idle_mutex);
            if (!idle.empty()) {
                CURL* const easy = idle.back();
                idle.pop_back();
                return easy;
            }
        }
        CURL* const easy = curl_easy_init();
        if (!easy)
            throw std::runtime_error("curl_easy_init failed");
        curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
        curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2TLS);
        curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, ""); // all that libcurl can unpack
        curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
        curl_easy_setopt(easy, CURLOPT_USERAGENT, options.user_agent.c_str());
        curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(options.timeout.count()));
        curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options.connect.count()));
        curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, options.slow_bytes);
        curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, static_cast<long>(options.slow.count()));
        if (!options.ca_file.empty())
            curl_easy_setopt(easy, CURLOPT_CAINFO, options.ca_file.c_str());
        const curl_write_callback write = [](char* data, std::size_t size, std::size_t count, void* self) {
            return static_cast<receiver*>(self)->take({data, size * count});
        };
        const curl_write_callback write_header = [](char* data, std::size_t size, std::size_t count, void* self) {
            return static_cast<receiver*>(self)->take_header({data, size * count});
        };
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, write);
        curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, write_header);
        return easy;
    }
    void give_back(CURL* easy)
    {
        curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, nullptr); // it lies in the frame of the fetch
        const std::lock_guard lock(idle_mutex);
        idle.push_back(easy);
    }

    libcurl library;
    fetch_options options;
    curl_multi connections;
    std::mutex idle_mutex;
    std::vector<CURL*> idle;
};

fetcher::fetcher(asio::thread_pool& io, fetch_options options) : shared_(std::make_unique<shared>(io, std::move(options))) {}
fetcher::~fetcher() = default;

tandem::task<response> fetcher::fetch(request r)
{
    struct handle {
        explicit handle(shared& s) : owner(s), easy(s.take_handle()) {}
        ~handle() { owner.give_back(easy); }
        handle(const handle&) = delete;
        handle& operator=(const handle&) = delete;
        shared& owner;
        CURL* easy;
    };
    const handle h(*shared_);
    receiver in{.max_bytes = r.max_bytes, .keep_head = r.keep_head};
    in.r.content = body(r.folder);
    char why[CURL_ERROR_SIZE] = "";
    curl_easy_setopt(h.easy, CURLOPT_URL, r.url.c_str());
    curl_easy_setopt(h.easy, CURLOPT_MAXFILESIZE_LARGE, static_cast<curl_off_t>(r.max_bytes)); // when the server says it beforehand
    curl_easy_setopt(h.easy, CURLOPT_WRITEDATA, &in);
    curl_easy_setopt(h.easy, CURLOPT_HEADERDATA, &in);
    curl_easy_setopt(h.easy, CURLOPT_ERRORBUFFER, why);
    const CURLcode code = co_await shared_->connections.perform(h.easy);
    if (in.error)
        std::rethrow_exception(in.error);
    if (code == CURLE_FILESIZE_EXCEEDED)
        throw fetch_error(fmt::format("larger than {} bytes", r.max_bytes), false);
    if (code != CURLE_OK)
        throw fetch_error(why[0] != '\0' ? why : curl_easy_strerror(code), is_transient(code));
    response& result = in.r;
    curl_easy_getinfo(h.easy, CURLINFO_RESPONSE_CODE, &result.status);
    const char* type = nullptr;
    curl_easy_getinfo(h.easy, CURLINFO_CONTENT_TYPE, &type);
    result.type = type ? type : "";
    curl_off_t bytes = 0;
    curl_off_t microseconds = 0;
    curl_easy_getinfo(h.easy, CURLINFO_SIZE_DOWNLOAD_T, &bytes);
    curl_easy_getinfo(h.easy, CURLINFO_TOTAL_TIME_T, &microseconds);
    result.bytes = static_cast<std::size_t>(bytes);
    result.elapsed = std::chrono::milliseconds(microseconds / 1000);
    result.location = header(h.easy, "location");
    result.retry_after = retry_after(header(h.easy, "retry-after"));
    co_return std::move(in.r);
}

} // namespace crawl
