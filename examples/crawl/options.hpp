// The command line of crawl.
#pragma once

#include "fetch.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace crawl {

struct options {
    std::vector<std::string> urls;
    std::filesystem::path out;

    // what belongs to the crawl
    std::vector<std::string> hosts;   ///< patterns; empty: the hosts of `urls`
    std::vector<std::string> include; ///< patterns of addresses; empty: all
    std::vector<std::string> exclude;
    int depth = -1;             ///< links from the start; -1: any
    std::int64_t max_pages = 0; ///< to be stored, in all runs; 0: any number
    int max_redirects = 10;     ///< one after another

    // manners
    double rate = 10;             ///< pages a second from one host; 0: no limit
    std::size_t concurrency = 64; ///< fetches at a time
    std::size_t per_host = 6;
    std::size_t attempts = 3;
    std::chrono::milliseconds longest_pause{60'000}; ///< that robots.txt or Retry-After can make us wait for a page

    // limits of a page
    std::size_t max_size = 16u << 20;

    bool warc = false;
    bool isolate = false;      ///< parse in other processes
    bool retry_failed = false; ///< those of an earlier run
    bool json = false;
    bool quiet = false;
    std::size_t threads = 0; ///< that parse; 0: one per core
    std::chrono::milliseconds drain{10'000};
    fetch_options fetching;
};

/// Reads the command line. On a mistake prints what is wrong and ends the program with 2; after --help, with 0.
[[nodiscard]] options read_options(int argc, char** argv);

} // namespace crawl
