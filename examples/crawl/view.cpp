#include "view.hpp"

#include <tandem/sync/sleep.hpp>

#include <fmt/core.h>

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <system_error>

namespace crawl {

namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr std::size_t last_shown = 8;
constexpr auto frame = 100ms;
constexpr auto speed_over = 3s;

std::string amount(std::int64_t bytes)
{
    double n = static_cast<double>(bytes);
    for (const char* const unit : {"B", "KB", "MB"}) {
        if (n < 1000)
            return fmt::format("{:.{}f} {}", n, *unit == 'B' ? 0 : 1, unit);
        n /= 1000;
    }
    return fmt::format("{:.2f} GB", n);
}

struct extent {
    std::size_t columns = 80;
    std::size_t rows = 24;
};

// Of the terminal, or what is usual when it does not say.
extent screen()
{
    winsize w{};
    const bool known = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0 && w.ws_row > 0;
    return known ? extent{w.ws_col, w.ws_row} : extent{};
}

// So that a line stays one line. Addresses are ASCII; what a server said may be anything.
std::string fit(std::string_view text, std::size_t width)
{
    std::string out;
    for (const char c : text.substr(0, width))
        out += c >= ' ' && c <= '~' ? c : '?';
    if (text.size() > width && width > 3)
        out.replace(width - 3, 3, "...");
    return out;
}

std::string line(const page_record& r)
{
    const std::string code = r.status ? fmt::format("{}", r.status) : "---";
    const std::string what =
        r.state == page_state::stored ? fmt::format("{:>9}", amount(r.size)) : fmt::format("{:>9}", name_of(r.state));
    std::string text = fmt::format("{} {} {:>5} ms  {}", code, what, r.elapsed.count(), r.page.url);
    if (!r.error.empty())
        text += (r.state == page_state::redirect ? " -> " : "  ") + r.error;
    return text;
}

} // namespace

std::string json_string(std::string_view text)
{
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\')
            out += '\\';
        if (c < ' ' || c > '~') // what a server said may be in any encoding
            out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
        else
            out += c;
    }
    return out += '"';
}

view::view(style s, progress& p) : style_(s), progress_(p), begin_(steady_clock::now()) {}

void view::show(const page_record& r)
{
    const std::lock_guard lock(mutex_);
    switch (style_) {
    case style::quiet:
        break;
    case style::lines:
        fmt::print("{}\n", fit(line(r), std::string::npos));
        break;
    case style::json:
        fmt::print("{{\"url\":{},\"state\":\"{}\",\"status\":{},\"depth\":{},\"type\":{},\"size\":{},\"ms\":{},\"hash\":\"{}\","
                   "\"file\":{},"
                   "\"error\":{}}}\n",
            json_string(r.page.url), name_of(r.state), r.status, r.page.depth, json_string(r.type), r.size, r.elapsed.count(),
            r.hash, json_string(r.file), json_string(r.error));
        break;
    case style::live:
        last_.emplace_back(line(r), r.state == page_state::failed);
        if (last_.size() > last_shown)
            last_.pop_front();
        break;
    }
}

// A reader that has gone, or a full disk: nobody would see the rest.
void view::flush()
{
    if (std::fflush(stdout) != 0)
        throw std::system_error(errno, std::generic_category(), "standard output");
}

tandem::task<> view::run()
{
    if (style_ != style::live)
        co_return;
    try {
        for (;;) {
            draw();
            co_await tandem::sleep_for(frame);
        }
    }
    catch (...) {
        erase();
        throw;
    }
}

void view::draw()
{
    const std::lock_guard lock(mutex_);
    const auto now = steady_clock::now();
    const std::int64_t finished = progress_.finished;
    speed_.emplace_back(now, finished);
    while (speed_.size() > 1 && now - speed_.front().first > speed_over)
        speed_.pop_front();
    const double seconds = std::chrono::duration<double>(now - speed_.front().first).count();
    const double speed = seconds > 0 ? static_cast<double>(finished - speed_.front().second) / seconds : 0;
    // No line may wrap, and the picture may not be higher than the screen, or the cursor would not come back to its top.
    const extent size = screen();
    const std::size_t width = std::max<std::size_t>(size.columns, 4) - 1;
    const std::size_t shown = std::min(last_.size(), std::max<std::size_t>(size.rows, 2) - 2);
    const std::string state = fmt::format("{:8.0f} pages/s  {} in flight  {} queued  {} done  {} failed  {}{}", speed,
        progress_.in_flight.load(), progress_.queued.load(), finished, progress_.failed.load(), amount(progress_.bytes),
        progress_.stopping ? "  stopping" : "");
    std::string text = drawn_ > 0 ? fmt::format("\r\x1b[{}A\x1b[J", drawn_) : "";
    text += fmt::format("\x1b[1m{}\x1b[0m\n", fit(state, width));
    for (auto row = last_.end() - static_cast<std::ptrdiff_t>(shown); row != last_.end(); ++row)
        text += fmt::format("{}{}{}\n", row->second ? "\x1b[31m" : "", fit("  " + row->first, width), row->second ? "\x1b[0m" : "");
    drawn_ = 1 + static_cast<int>(shown);
    std::fputs(text.c_str(), stdout);
    std::fflush(stdout);
}

void view::erase()
{
    const std::lock_guard lock(mutex_);
    if (drawn_ > 0)
        fmt::print("\r\x1b[{}A\x1b[J", drawn_);
    drawn_ = 0;
    std::fflush(stdout);
}

void view::summary(const manifest::counts& all, bool interrupted)
{
    const double seconds = std::chrono::duration<double>(steady_clock::now() - begin_).count();
    const std::int64_t finished = progress_.finished;
    if (style_ == style::json)
        fmt::print("{{\"seconds\":{:.3f},\"finished\":{},\"stored\":{},\"redirects\":{},\"skipped\":{},\"failed\":{},\"queued\":{},"
                   "\"bytes\":{},\"interrupted\":{}}}\n",
            seconds, finished, all.stored, all.redirects, all.skipped, all.failed, all.queued, all.bytes, interrupted);
    else
        fmt::print(
            "{}{} pages in {:.1f} s, {:.0f} a second; in all {} stored ({}), {} redirects, {} skipped, {} failed, {} queued\n",
            interrupted ? "interrupted; " : "", finished, seconds, static_cast<double>(finished) / std::max(seconds, 1e-3),
            all.stored, amount(all.bytes), all.redirects, all.skipped, all.failed, all.queued);
    flush();
}

} // namespace crawl
