// All that a server can do wrong, a page each. "/bad/" links to them; a crawl has to come out at the other end.
#pragma once

#include "http_connection.hpp"

#include <chrono>
#include <map>
#include <string>

class bad_pages {
public:
    /// `bulk`: how many tags the largest pages have.
    explicit bad_pages(long bulk) : bulk_(bulk) {}
    /// False when the connection is to be closed.
    [[nodiscard]] tandem::task<bool> answer(http_connection& c, const std::string& target);

private:
    tandem::task<bool> misbehave(http_connection& c, const std::string& name);

    const long bulk_;
    // There is one thread.
    std::map<std::string, int> requests_; // of each page, so far
    std::chrono::steady_clock::time_point busy_until_{};
};
