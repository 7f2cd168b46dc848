// What one sees of a crawl: on a terminal a picture that is drawn anew, in a pipe a line per page, or JSON for other programs.
#pragma once

#include "manifest.hpp"
#include "page.hpp"

#include <tandem/task/task.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>

namespace crawl {

/// How a crawl stands; read from any thread.
struct progress {
    std::atomic<std::int64_t> in_flight{0};
    std::atomic<std::int64_t> queued{0};
    std::atomic<std::int64_t> finished{0}; ///< in this run, however they ended
    std::atomic<std::int64_t> failed{0};
    std::atomic<std::int64_t> bytes{0};
    std::atomic<bool> stopping{false};
};

class view {
public:
    enum class style : unsigned char { quiet, lines, json, live };
    view(style s, progress& p);

    /// A page is recorded.
    void show(const page_record& r);
    /// What was shown goes out. Throws std::system_error when it cannot.
    void flush();
    /// Draws the picture ten times a second, until it is asked to stop; then takes it away.
    [[nodiscard]] tandem::task<> run();
    /// At the end. Throws as `flush` does.
    void summary(const manifest::counts& all, bool interrupted);

private:
    void draw();
    void erase();

    const style style_;
    progress& progress_;
    const std::chrono::steady_clock::time_point begin_;
    std::mutex mutex_;                                                                 // guards the rest
    std::deque<std::pair<std::string, bool>> last_;                                    // whether it failed
    std::deque<std::pair<std::chrono::steady_clock::time_point, std::int64_t>> speed_; // of the last seconds
    int drawn_ = 0;                                                                    // lines of the picture on the screen
};

/// Text as a JSON string, quoted.
[[nodiscard]] std::string json_string(std::string_view text);

} // namespace crawl
