// All that a crawl leaves on disk: the manifest, and the pages as files or in a WARC file. Whoever is killed leaves it so that the next
// run can go on: a file is complete before it has its name, and has its name before the manifest knows the page.
#pragma once

#include "manifest.hpp"
#include "mirror.hpp"
#include "page.hpp"
#include "warc.hpp"

#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

namespace crawl {

/// Does the work of SQLite and of the file system, which wait for the disk: for one thread at a time, that does nothing else.
class archive {
public:
    [[nodiscard]] static bool exists(const std::filesystem::path& folder);
    /// Opens or begins the archive in `folder`.
    archive(const std::filesystem::path& folder, bool as_warc);

    /// Where pages are written before they have a name.
    [[nodiscard]] const std::filesystem::path& parts_folder() const noexcept { return parts_; }
    [[nodiscard]] manifest& state() noexcept { return manifest_; }

    /// How many pages of a site are wanted next.
    struct want {
        std::int64_t site;
        std::size_t pages;
    };
    struct added {
        std::int64_t site;
        std::string origin;
        std::int64_t pages; ///< that are new in its queue; 0: one moved up in it
    };
    struct report {
        std::vector<queued_page> next; ///< what was wanted, as far as it is there
        std::vector<added> queued;
    };
    /// Stores pages, enters them, and their links into the queue, and takes from the queue: all or nothing.
    [[nodiscard]] report record(std::vector<page_record>& pages, const std::vector<want>& wants, int depth);

private:
    void store(std::vector<page_record>& pages);
    void store_in_mirror(std::vector<page_record>& pages);
    void store_in_warc(std::vector<page_record>& pages);

    std::filesystem::path parts_;
    manifest manifest_;
    mirror mirror_;
    std::optional<warc> warc_;
};

} // namespace crawl
