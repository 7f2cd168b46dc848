#include "manifest.hpp"

#include <algorithm>
#include <ctime>
#include <functional>
#include <utility>

namespace crawl {

namespace {

constexpr std::size_t recent_size = 1u << 16;
constexpr std::size_t recent_longest = 256;

} // namespace

const char* name_of(page_state s) noexcept
{
    switch (s) {
    case page_state::stored:
        return "stored";
    case page_state::duplicate:
        return "duplicate";
    case page_state::redirect:
        return "redirect";
    case page_state::skipped:
        return "skipped";
    case page_state::failed:
        break;
    }
    return "failed";
}

manifest::schema::schema(sqlite::database& db)
{
    // The write-ahead log survives the death of the program without waiting for the disk at each commit. Exclusive: one crawl at a time.
    db.execute("PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=4000;"
               "PRAGMA temp_store=MEMORY; PRAGMA cache_size=-16000;");
    db.execute(R"(
        CREATE TABLE IF NOT EXISTS sites(id INTEGER PRIMARY KEY, origin TEXT NOT NULL UNIQUE);
        CREATE TABLE IF NOT EXISTS pages(
            id INTEGER PRIMARY KEY,
            url TEXT NOT NULL UNIQUE,
            site INTEGER NOT NULL,
            depth INTEGER NOT NULL,  -- links from where the crawl began
            hops INTEGER NOT NULL,   -- redirects on the way
            state TEXT NOT NULL,     -- queued, taken; stored, duplicate, redirect, skipped, failed
            status INTEGER,          -- of HTTP
            type TEXT,
            size INTEGER,
            time INTEGER,            -- when, in seconds since 1970
            elapsed INTEGER,         -- milliseconds
            hash TEXT,               -- SHA-256
            file TEXT,
            error TEXT);             -- or where a redirect leads
        CREATE INDEX IF NOT EXISTS queue ON pages(site, depth, id) WHERE state = 'queued';
        CREATE INDEX IF NOT EXISTS contents ON pages(hash) WHERE state = 'stored';
        CREATE TABLE IF NOT EXISTS announced(file TEXT NOT NULL);
        CREATE TABLE IF NOT EXISTS numbers(key TEXT PRIMARY KEY, value INTEGER NOT NULL);
        UPDATE pages SET state = 'queued' WHERE state = 'taken';)");
}

manifest::manifest(const std::filesystem::path& file)
    : db_(file)
    , recent_(recent_size)
    , schema_(db_)
    , add_(db_, "INSERT OR IGNORE INTO pages(url, site, depth, hops, state) VALUES(?, ?, ?, ?, 'queued')")
    , move_up_(db_, "UPDATE pages SET depth = ?1, hops = ?2 WHERE url = ?3 AND state = 'queued' AND depth > ?1 RETURNING site")
    , add_site_(db_, "INSERT INTO sites(origin) VALUES(?)")
    , announce_(db_, "INSERT INTO announced VALUES(?)")
    , forget_(db_, "DELETE FROM announced")
    , finish_(db_,
          "UPDATE pages SET state = ?, status = ?, type = ?, size = ?, time = ?, elapsed = ?, hash = ?, file = ?, error = ? "
          "WHERE id = ?")
    , file_of_(db_, "SELECT file FROM pages WHERE hash = ? AND state = 'stored'")
    , take_(db_,
          "UPDATE pages SET state = 'taken' WHERE id IN (SELECT id FROM pages WHERE state = 'queued' AND site = ? AND depth <= ? "
          "ORDER BY depth, id LIMIT ?) RETURNING id, site, depth, hops, url")
    , get_number_(db_, "SELECT value FROM numbers WHERE key = ?")
    , set_number_(db_, "INSERT OR REPLACE INTO numbers VALUES(?, ?)")
{
    sqlite::statement all(db_, "SELECT id, origin FROM sites");
    while (all.step()) {
        site_numbers_.emplace(all.text(1), all.number(0));
        origins_.emplace(all.number(0), all.text(1));
    }
}

manifest::counts manifest::count()
{
    counts c;
    sqlite::statement groups(db_, "SELECT state, count(*), sum(size) FROM pages GROUP BY state");
    while (groups.step()) {
        const std::string state = groups.text(0);
        const std::int64_t n = groups.number(1);
        if (state == "queued" || state == "taken")
            c.queued += n;
        else if (state == "stored" || state == "duplicate") {
            c.stored += n;
            c.bytes += groups.number(2);
        }
        else
            (state == "redirect" ? c.redirects : state == "skipped" ? c.skipped : c.failed) += n;
    }
    return c;
}

std::map<std::int64_t, manifest::site_queue> manifest::sites()
{
    std::map<std::int64_t, site_queue> found;
    for (const auto& [id, origin] : origins_)
        found[id].origin = origin;
    sqlite::statement queued(db_, "SELECT site, count(*) FROM pages WHERE state = 'queued' GROUP BY site");
    while (queued.step())
        found[queued.number(0)].queued = queued.number(1);
    return found;
}

std::vector<std::string> manifest::starts()
{
    std::vector<std::string> found;
    sqlite::statement urls(db_, "SELECT url FROM pages WHERE depth = 0");
    while (urls.step())
        found.push_back(urls.text(0));
    return found;
}

void manifest::queue_failed() { db_.execute("UPDATE pages SET state = 'queued' WHERE state = 'failed'"); }

std::int64_t manifest::site_of(std::string_view url)
{
    const std::string origin(url.substr(0, url.find('/', url.find("//") + 2)));
    auto [found, fresh] = site_numbers_.try_emplace(origin, 0);
    if (fresh) {
        add_site_.run(origin);
        found->second = db_.last_id();
        origins_.emplace(found->second, origin);
    }
    return found->second;
}

bool manifest::known(std::string_view url)
{
    if (url.size() > recent_longest)
        return false;
    std::string& slot = recent_[std::hash<std::string_view>()(url) % recent_.size()];
    if (slot == url)
        return true;
    slot = url;
    return false;
}

std::int64_t manifest::add(std::string_view url, int depth, int hops)
{
    if (known(url))
        return 0;
    const std::int64_t site = site_of(url);
    add_.run(url, site, depth, hops);
    return db_.changes() != 0 ? site : 0;
}

std::int64_t manifest::move_up(std::string_view url, int depth, int hops)
{
    move_up_.bind(depth, hops, url);
    const std::int64_t site = move_up_.step() ? move_up_.number(0) : 0;
    move_up_.reset();
    return site;
}

void manifest::announce(const std::string& file) { announce_.run(file); }

void manifest::finish(const page_record& r)
{
    finish_.run(name_of(r.state), r.status, r.type, r.size, static_cast<std::int64_t>(std::time(nullptr)),
        static_cast<std::int64_t>(r.elapsed.count()), r.hash, r.file, r.error, r.page.id);
}

std::string manifest::file_of(std::string_view hash)
{
    file_of_.bind(hash);
    std::string file;
    if (file_of_.step())
        file = file_of_.text(0);
    file_of_.reset();
    return file;
}

std::vector<queued_page> manifest::take(std::int64_t site, std::size_t n, int depth)
{
    std::vector<queued_page> pages;
    take_.bind(site, depth, static_cast<std::int64_t>(n));
    while (take_.step())
        pages.push_back({.id = take_.number(0),
            .site = take_.number(1),
            .depth = static_cast<int>(take_.number(2)),
            .hops = static_cast<int>(take_.number(3)),
            .url = take_.text(4)});
    const auto before = [](const queued_page& a, const queued_page& b) {
        return std::pair(a.depth, a.id) < std::pair(b.depth, b.id);
    };
    std::sort(pages.begin(), pages.end(), before); // RETURNING has no order
    return pages;
}

std::int64_t manifest::number(const std::string& key)
{
    get_number_.bind(key);
    const std::int64_t value = get_number_.step() ? get_number_.number(0) : 0;
    get_number_.reset();
    return value;
}

void manifest::set_number(const std::string& key, std::int64_t value) { set_number_.run(key, value); }

std::vector<std::string> manifest::announced()
{
    std::vector<std::string> files;
    sqlite::statement all(db_, "SELECT file FROM announced");
    while (all.step())
        files.push_back(all.text(0));
    return files;
}

void manifest::forget_announced() { forget_.run(); }

} // namespace crawl
