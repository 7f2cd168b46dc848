// The state of a crawl in SQLite: which pages are known, which are queued, what has become of the others. So a crawl that ended at any
// moment, however it ended, goes on where it was; and the queue takes no memory.
#pragma once

#include "page.hpp"
#include "sqlite.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace crawl {

/// For one thread at a time.
class manifest {
public:
    /// Opens or begins the manifest in `file`. Throws when another crawl is at work with it.
    explicit manifest(const std::filesystem::path& file);

    struct counts {
        std::int64_t queued = 0;
        std::int64_t stored = 0; ///< duplicates among them
        std::int64_t redirects = 0;
        std::int64_t skipped = 0;
        std::int64_t failed = 0;
        std::int64_t bytes = 0;
    };
    [[nodiscard]] counts count();
    /// The sites by their number, with how many pages each has in the queue.
    struct site_queue {
        std::string origin;
        std::int64_t queued = 0;
    };
    [[nodiscard]] std::map<std::int64_t, site_queue> sites();
    /// The addresses that the crawl began with, and those they were redirected to.
    [[nodiscard]] std::vector<std::string> starts();
    /// Puts what has failed into the queue again.
    void queue_failed();

    // Within a transaction: ----------------------------------------------------------------------

    [[nodiscard]] sqlite::transaction begin() { return sqlite::transaction(db_); }
    /// Adds a page to the queue unless it is known. The site's number, or 0.
    std::int64_t add(std::string_view url, int depth, int hops);
    /// A page that waits in the queue at a greater depth moves up to this one. The site's number, or 0.
    std::int64_t move_up(std::string_view url, int depth, int hops);
    /// Notes that a file is about to appear under this name.
    void announce(const std::string& file);
    /// What was announced and has not been forgotten: when the manifest is opened, the files of which it knows no page.
    [[nodiscard]] std::vector<std::string> announced();
    void forget_announced();
    /// Enters how a page ended.
    void finish(const page_record& r);
    /// The file with this content, if there is one.
    [[nodiscard]] std::string file_of(std::string_view hash);
    /// Takes pages out of the queue, the least deep first and none deeper than `depth`. Those that are not finished are in it again when
    /// the manifest is opened the next time.
    [[nodiscard]] std::vector<queued_page> take(std::int64_t site, std::size_t n, int depth);
    [[nodiscard]] const std::string& origin(std::int64_t site) const { return origins_.at(site); }
    [[nodiscard]] std::int64_t number(const std::string& key); ///< kept under a name; 0 if there is none
    void set_number(const std::string& key, std::int64_t value);

private:
    std::int64_t site_of(std::string_view url);
    bool known(std::string_view url);

    sqlite::database db_;
    std::unordered_map<std::string, std::int64_t> site_numbers_;
    std::unordered_map<std::int64_t, std::string> origins_;
    // Addresses that are in the table for sure, by their hash: most links are to pages seen before.
    std::vector<std::string> recent_;

    struct schema {
        explicit schema(sqlite::database& db);
    } schema_;
    sqlite::statement add_, move_up_, add_site_, announce_, forget_, finish_, file_of_, take_, get_number_, set_number_;
};

} // namespace crawl
