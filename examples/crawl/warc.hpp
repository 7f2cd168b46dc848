// A WARC file (ISO 28500): all pages of a crawl one after another, with their headers. What web archives read.
#pragma once

#include "page.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace crawl {

class warc {
public:
    /// Goes on writing after the first `size` bytes: what comes behind them was cut off.
    warc(std::filesystem::path file, std::int64_t size);
    ~warc();
    warc(const warc&) = delete;
    warc& operator=(const warc&) = delete;

    /// A response, or, for content that is in the file already, the note that it was met again. Gives where it begins.
    std::int64_t add(const page_record& r);
    /// How long the file is.
    [[nodiscard]] std::int64_t size() const noexcept { return size_; }

private:
    void write(std::string_view fields, std::string_view head, std::string_view content);
    void write(std::string_view bytes);

    std::filesystem::path file_;
    int descriptor_;
    std::int64_t size_;
};

} // namespace crawl
