// The mirror on disk: a file per page, under host and path.
#pragma once

#include "url.hpp"

#include <filesystem>
#include <string>
#include <unordered_set>

namespace crawl {

/// For one thread at a time.
class mirror {
public:
    explicit mirror(std::filesystem::path root) : root_(std::move(root)) {}

    /// A file name below the root that is free, and is nobody else's until `forget_places`. Makes the folders. When a page has the name of
    /// a folder, or the other way round, one of the two gets another name.
    [[nodiscard]] std::string place_for(const url& u);
    void forget_places() { reserved_.clear(); }
    /// Gives a complete file its name.
    void move_in(const std::string& part, const std::string& file);
    void remove(const std::string& file);

private:
    [[nodiscard]] bool make_folder(const std::string& folder);

    std::filesystem::path root_;
    std::unordered_set<std::string> reserved_;
    std::unordered_set<std::string> folders_; // that are there for sure
};

} // namespace crawl
