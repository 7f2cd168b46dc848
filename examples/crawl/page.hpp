// What the parts of the crawler hand to each other.
#pragma once

#include "body.hpp"

#include <tandem/sync/semaphore.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace crawl {

/// A page that is to be fetched.
struct queued_page {
    std::int64_t id = 0; ///< in the manifest
    std::int64_t site = 0;
    int depth = 0;
    int hops = 0; ///< redirects on the way to it
    std::string url;
};

/// How a page ended. The names are those in the manifest.
enum class page_state : unsigned char { stored, duplicate, redirect, skipped, failed };
[[nodiscard]] const char* name_of(page_state s) noexcept;

/// A page of which all is known, to be stored and entered in the manifest.
struct page_record {
    queued_page page;
    page_state state = page_state::failed;
    long status = 0;
    std::string type;
    std::int64_t size = 0;
    std::chrono::milliseconds elapsed{};
    std::string hash;
    std::string error; ///< or where a redirect leads
    std::string part;  ///< the file with its content, under its temporary name
    std::string head;  ///< as the server sent it, and the content: for a WARC file
    body content;
    std::string file;               ///< where it was stored
    std::vector<std::string> links; ///< those to be followed
    // What bounds the memory is given back when the page is recorded: content, head and links are in it until then.
    tandem::semaphore::permit waiting{};
    tandem::semaphore::permit large{};
};

} // namespace crawl
