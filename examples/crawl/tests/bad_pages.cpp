#include "bad_pages.hpp"

#include <tandem/sync/sleep.hpp>

#include <fmt/core.h>

#include <chrono>

using tandem::task;
using namespace std::chrono_literals;

namespace {

constexpr const char* index_page = R"html(<!doctype html><title>bad</title>
<a href="redirect/0">endless</a> <a href=circle>a circle</a> <a href="drip">drip</a> <a href="long">too long</a> <a href="short">too short</a>
<a href="/bomb.gz">bomb</a> <a href=huge>huge</a> <a href=endless>endless</a> <a href=million>million</a> <a href=latin1>latin 1</a>
<a href="../../../../etc/passwd">up</a> <a href="%2e%2e/%2E%2E/etc/shadow">up</a> <a href="..%2f..%2fetc%2fgroup">up</a> <a href="x/..\y">up</a>
<a href="reset">reset</a> <a href="reset-early">reset</a> <a href="busy">busy</a> <a href="down">down</a> <a href="limited">limited</a>
<a href="headers">headers</a> <a href="garbage">no HTTP</a> <a href="deep">deep</a> <a href="unclosed">unclosed</a> <a href="empty">empty</a>
<a href="a">file</a> <a href="a/b">folder</a> <a href="a/">index</a> <a href="a/index.html">index</a>
<a href="q?x=1&amp;y=/../z">q</a> <a href="q?x=2">q</a> <a href="q?">q</a> <a href="same1">same</a> <a href="same2#part">same</a>
<a href="mailto:nobody">mail</a> <a href="javascript:alert()">script</a> <a href="http://[">nonsense</a> <a href="http://elsewhere.invalid/">away</a>
)html";

std::string overlong()
{
    return "<a href=\"" + std::string(1500, 'n') + "\">overlong</a> <a href=\"" + std::string(9000, 'm') + "\">too long</a>";
}

} // namespace

task<bool> bad_pages::answer(http_connection& c, const std::string& target)
{
    const std::string name = target.substr(5);
    const int before = requests_[name]++;
    if (name.empty()) {
        const std::string page = index_page + overlong();
        co_await c.send(200, "text/html", page);
    }
    else if (name.starts_with("redirect/")) {
        const int next = std::stoi(name.substr(9)) + 1;
        co_await c.send(302, "text/html", "", fmt::format("Location: {}\r\n", next));
    }
    else if (name == "circle")
        co_await c.send(301, "text/html", "", "Location: circle2\r\n");
    else if (name == "circle2")
        co_await c.send(301, "text/html", "", "Location: circle\r\n");
    else if (name == "agent") {
        const std::string agent = c.header("user-agent");
        co_await c.send(200, "text/plain", agent);
    }
    else if (name == "busy" && before == 0) {
        busy_until_ = std::chrono::steady_clock::now() + 1s;
        co_await c.send(503, "text/html", "later", "Retry-After: 1\r\n");
    }
    else if (name == "busy" && std::chrono::steady_clock::now() < busy_until_)
        co_await c.send(404, "text/html", "too early");
    else if (name == "limited" && before < 2)
        co_await c.send(429, "text/html", "not so fast");
    else if (name == "down")
        co_await c.send(500, "text/html", "never");
    else if (name == "latin1")
        co_await c.send(200, "text/html; charset=iso-8859-1", "<title>caf\xe9</title><a href=\"caf\xe9\">caf\xe9</a>");
    else if (name == "same1" || name == "same2")
        co_await c.send(200, "text/html", "the same");
    else if (name == "empty")
        co_await c.send(204, "text/html", "");
    else if (name == "a" || name == "a/" || name == "a/b" || name == "a/index.html" || name.starts_with("q") ||
             name.starts_with("caf") || name.starts_with("nnn") || name == "busy" || name == "limited" ||
             name.find("etc") != std::string::npos || name == "y") {
        const std::string page = "this is " + name;
        co_await c.send(200, "text/html", page);
    }
    else
        co_return co_await misbehave(c, name);
    co_return true;
}

task<bool> bad_pages::misbehave(http_connection& c, const std::string& name)
{
    constexpr std::string_view head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n";
    if (name == "drip") {
        const std::string begin = std::string(head) + "Content-Length: 1000000\r\n\r\n";
        co_await c.send_raw(begin);
        for (;;) {
            co_await c.send_raw("x");
            co_await tandem::sleep_for(100ms);
        }
    }
    if (name == "long" || name == "short") { // what it says of its length
        const std::string text = std::string(head) + fmt::format("Content-Length: {}\r\n\r\nthe first half and the second half",
                                                         name == "long" ? 5000 : 14);
        co_await c.send_raw(text);
    }
    else if (name == "huge" || name == "endless" || name == "million" || name == "deep" || name == "unclosed") {
        const std::string begin = std::string(head) + "Connection: close\r\n\r\n<a href=/bad/from-" + name + ">x</a>";
        co_await c.send_raw(begin);
        std::string piece;
        long n = 0;
        const auto fill = [&] {
            piece.clear();
            while (piece.size() < 60'000 && n < bulk_) {
                if (name == "million")
                    piece += fmt::format("<a href=/bad/m/{}>", n);
                else if (name == "deep")
                    piece += "<div>";
                else if (name == "unclosed")
                    piece += "<a href=\"x";
                else
                    piece += "<p <b>\xff</i>&bogus; <table><td \"='></select><!-- - <svg>"; // 55 bytes
                ++n;
            }
            return !piece.empty();
        };
        while (fill()) {
            co_await c.send_raw(piece);
            if (name == "endless")
                n = 0;
        }
    }
    else if (name == "reset" || name == "reset-early") {
        if (name == "reset") {
            const std::string text = std::string(head) + "Content-Length: 5000\r\n\r\nthe first half";
            co_await c.send_raw(text);
        }
        c.reset();
    }
    else if (name == "headers") {
        co_await c.send_raw(head);
        for (long n = 0;; ++n) {
            const std::string line = fmt::format("X-{}: {:0>1000}\r\n", n, n);
            co_await c.send_raw(line);
        }
    }
    else if (name == "garbage")
        co_await c.send_raw("\x16\x03\x01\x02\x00 this is no HTTP\r\n\r\n");
    else {
        const bool known = name.starts_with("from-") || name.starts_with("m/");
        const std::string page = known ? "this is " + name : "no such page";
        co_await c.send(known ? 200 : 404, "text/html", page);
        co_return true;
    }
    co_return false;
}
