// HTTP/1.1 requests, read by Debian's http-parser (Node.js's), and the text of responses. For http_service.
#pragma once

#include <fmt/core.h>
#include <http_parser.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace http {

/// Why a request is refused; the connection is closed after the answer.
struct refusal : std::runtime_error {
    refusal(int s, const char* why) : runtime_error(why), status(s) {}
    int status;
};

struct limits {
    std::size_t head = 8 * 1024; ///< the request's target and headers
    std::size_t body = 1024 * 1024;
};

struct request {
    std::string method;
    std::string target;
    std::string body;
    bool keep_alive = true;

    [[nodiscard]] std::string_view path() const { return std::string_view(target).substr(0, target.find('?')); }
    /// The value of `name` in the query, or nothing.
    [[nodiscard]] std::string_view query(std::string_view name) const
    {
        const std::size_t mark = target.find('?');
        std::string_view rest = mark == std::string::npos ? std::string_view() : std::string_view(target).substr(mark + 1);
        while (!rest.empty()) {
            const std::string_view pair = rest.substr(0, rest.find('&'));
            rest.remove_prefix(pair.size() < rest.size() ? pair.size() + 1 : pair.size());
            if (pair.starts_with(name) && pair.size() > name.size() && pair[name.size()] == '=')
                return pair.substr(name.size() + 1);
        }
        return {};
    }
};

/// Takes bytes as they come, and gives requests one by one.
class parser {
public:
    explicit parser(limits l) : limits_(l) { restart(); }

    /// Takes the bytes of at most one request; how many they were. Throws refusal.
    std::size_t feed(std::string_view bytes)
    {
        const std::size_t n = http_parser_execute(&parser_, &settings(), bytes.data(), bytes.size());
        begun_ = begun_ || n > 0;
        if (!in_body_ && (before_body_ += n) > 2 * limits_.head)
            refusal_ = 431; // blank lines before the request, say
        if (refusal_ == 431)
            throw refusal(431, "the head is too large");
        if (refusal_ == 413)
            throw refusal(413, "the body is too large");
        const auto error = HTTP_PARSER_ERRNO(&parser_);
        if (parser_.upgrade && parser_.method == HTTP_CONNECT)
            throw refusal(501, "this is no proxy"); // other upgrades are offers, which need not be taken
        if (error != HPE_OK && error != HPE_PAUSED)
            throw refusal(400, http_errno_description(error));
        return n;
    }
    /// Whether `take` has something to give.
    [[nodiscard]] bool complete() const noexcept { return complete_; }
    /// Whether some bytes of a request have come.
    [[nodiscard]] bool begun() const noexcept { return begun_; }
    /// True once, when the client holds the body back until it is told to go on.
    [[nodiscard]] bool waits_for_continue() noexcept { return in_body_ && !complete_ && std::exchange(expects_continue_, false); }

    request take()
    {
        request r = std::move(request_);
        r.keep_alive = http_should_keep_alive(&parser_) != 0 && parser_.http_minor >= 1; // with 1.0 it would have to be agreed on
        r.method = http_method_str(static_cast<http_method>(parser_.method));
        restart();
        return r;
    }

private:
    void restart()
    {
        http_parser_init(&parser_, HTTP_REQUEST);
        parser_.data = this;
        request_ = {};
        header_.clear();
        head_ = before_body_ = 0;
        refusal_ = 0;
        begun_ = complete_ = in_body_ = in_value_ = expects_continue_ = false;
    }
    int count_head(std::size_t n)
    {
        if ((head_ += n) > limits_.head)
            refusal_ = 431;
        return refusal_ ? -1 : 0;
    }
    static bool is_expect(std::string_view name)
    {
        return std::ranges::equal(name, std::string_view("expect"), [](char a, char b) { return (a | 0x20) == b; });
    }
    static parser& self(http_parser* p) { return *static_cast<parser*>(p->data); }
    static const http_parser_settings& settings()
    {
        static const http_parser_settings s = [] {
            http_parser_settings t{};
            t.on_url = [](http_parser* p, const char* text, std::size_t n) {
                self(p).request_.target.append(text, n);
                return self(p).count_head(n);
            };
            t.on_header_field = [](http_parser* p, const char* text, std::size_t n) { // of trailers, too
                parser& me = self(p);
                if (std::exchange(me.in_value_, false))
                    me.header_.clear();
                me.header_.append(text, n);
                return me.count_head(n);
            };
            t.on_header_value = [](http_parser* p, const char*, std::size_t n) {
                parser& me = self(p);
                me.in_value_ = true;
                me.expects_continue_ = me.expects_continue_ || is_expect(me.header_); // of all that there is, 100-continue
                return me.count_head(n);
            };
            t.on_headers_complete = [](http_parser* p) {
                parser& me = self(p);
                me.in_body_ = true;
                if (p->content_length != ~std::uint64_t{0} && p->content_length > me.limits_.body)
                    me.refusal_ = 413;
                return me.refusal_ ? -1 : 0;
            };
            t.on_body = [](http_parser* p, const char* text, std::size_t n) {
                parser& me = self(p);
                if (me.request_.body.size() + n > me.limits_.body) {
                    me.refusal_ = 413;
                    return -1;
                }
                me.request_.body.append(text, n);
                return 0;
            };
            t.on_message_complete = [](http_parser* p) {
                self(p).complete_ = true;
                http_parser_pause(p, 1); // what follows is the next request's
                return 0;
            };
            return t;
        }();
        return s;
    }

    http_parser parser_{};
    limits limits_;
    request request_;
    std::string header_; // the name of the one that is being read
    std::size_t head_ = 0;
    std::size_t before_body_ = 0;
    int refusal_ = 0;
    bool begun_ = false;
    bool complete_ = false;
    bool in_body_ = false;
    bool in_value_ = false;
    bool expects_continue_ = false;
};

struct response {
    int status = 200;
    std::string body{};
    std::string_view type = "application/json";
};

inline std::string_view reason(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 400:
        return "Bad Request";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 408:
        return "Request Timeout";
    case 413:
        return "Content Too Large";
    case 431:
        return "Request Header Fields Too Large";
    case 501:
        return "Not Implemented";
    case 503:
        return "Service Unavailable";
    default:
        return "Internal Server Error";
    }
}

inline void append(std::string& out, const response& r, bool keep_alive, bool with_body = true)
{
    out += fmt::format("HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n{}\r\n", r.status, reason(r.status), r.type,
        r.body.size(), keep_alive ? "" : "Connection: close\r\n");
    if (with_body)
        out += r.body;
}

/// Text as a JSON string, quoted.
inline std::string json_string(std::string_view text)
{
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\')
            out += '\\';
        if (static_cast<unsigned char>(c) < 0x20)
            out += fmt::format("\\u{:04x}", static_cast<int>(c));
        else
            out += c;
    }
    return out += '"';
}

} // namespace http
