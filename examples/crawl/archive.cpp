#include "archive.hpp"

#include <fmt/core.h>

#include <map>
#include <stdexcept>

namespace crawl {

namespace {

std::filesystem::path manifest_in(const std::filesystem::path& folder) { return folder / ".crawl" / "manifest.sqlite"; }

std::filesystem::path made(std::filesystem::path folder)
{
    std::filesystem::create_directories(folder);
    return folder;
}

manifest opened(const std::filesystem::path& folder)
try {
    return manifest(manifest_in(folder));
}
catch (const sqlite::busy&) {
    throw std::runtime_error(fmt::format("another crawl is at work in {}", folder.string()));
}

} // namespace

bool archive::exists(const std::filesystem::path& folder) { return std::filesystem::exists(manifest_in(folder)); }

archive::archive(const std::filesystem::path& folder, bool as_warc)
    : parts_(made(folder / ".crawl") / "parts"), manifest_(opened(folder)), mirror_(folder)
{
    body::make_folders(parts_); // nobody else is at work: the manifest is ours
    for (const std::string& file : manifest_.announced())
        mirror_.remove(file);
    auto t = manifest_.begin();
    manifest_.forget_announced();
    // One or the other from the first run on: in a folder of files a second run would not look for them in a WARC file.
    const std::int64_t kind = manifest_.number("kind");
    if (kind != 0 && kind != (as_warc ? 2 : 1))
        throw std::runtime_error(
            fmt::format("{} was begun {} --warc; go on like that", folder.string(), as_warc ? "without" : "with"));
    manifest_.set_number("kind", as_warc ? 2 : 1);
    t.commit();
    if (as_warc)
        warc_.emplace(folder / "crawl.warc", manifest_.number("warc_size"));
}

auto archive::record(std::vector<page_record>& pages, const std::vector<want>& wants, int depth) -> report
{
    store(pages);
    report r;
    std::map<std::int64_t, std::int64_t> queued;
    auto t = manifest_.begin();
    for (const page_record& page : pages) {
        manifest_.finish(page);
        if (page.state == page_state::redirect) { // leads to a page of the same depth, which may be known as a link's
            for (const std::string& to : page.links)
                if (const std::int64_t site = manifest_.add(to, page.page.depth, page.page.hops + 1))
                    ++queued[site];
                else if (const std::int64_t moved = manifest_.move_up(to, page.page.depth, page.page.hops + 1))
                    queued[moved] += 0; // there is something to be taken
        }
        else
            for (const std::string& link : page.links)
                if (const std::int64_t site = manifest_.add(link, page.page.depth + 1, 0))
                    ++queued[site];
    }
    if (warc_)
        manifest_.set_number("warc_size", warc_->size());
    else
        manifest_.forget_announced();
    for (const want& w : wants) {
        auto taken = manifest_.take(w.site, w.pages, depth);
        r.next.insert(r.next.end(), std::move_iterator(taken.begin()), std::move_iterator(taken.end()));
    }
    t.commit();
    for (const auto& [site, n] : queued)
        r.queued.push_back({site, manifest_.origin(site), n});
    return r;
}

void archive::store(std::vector<page_record>& pages)
{
    // What we have already is not stored again.
    std::map<std::string_view, const page_record*> in_this_batch;
    for (page_record& page : pages) {
        if (page.state != page_state::stored)
            continue;
        const auto [first, fresh] = in_this_batch.emplace(page.hash, &page);
        page.file = manifest_.file_of(page.hash);
        if (!fresh || !page.file.empty())
            page.state = page_state::duplicate;
    }
    if (warc_)
        store_in_warc(pages);
    else
        store_in_mirror(pages);
    for (page_record& page : pages)
        if (page.state == page_state::duplicate && page.file.empty())
            page.file = in_this_batch.at(page.hash)->file;
}

void archive::store_in_mirror(std::vector<page_record>& pages)
{
    // Should we be killed after this, the next run removes what it knows nothing of.
    auto t = manifest_.begin();
    for (page_record& page : pages)
        if (page.state == page_state::stored) {
            page.file = mirror_.place_for(url::parse(page.page.url).value());
            manifest_.announce(page.file);
        }
    t.commit();
    for (page_record& page : pages) {
        if (page.state == page_state::stored)
            mirror_.move_in(page.part, page.file);
        else if (!page.part.empty())
            std::filesystem::remove(page.part);
    }
    mirror_.forget_places();
}

void archive::store_in_warc(std::vector<page_record>& pages)
{
    for (page_record& page : pages)
        if (page.state == page_state::stored || page.state == page_state::duplicate) {
            const std::int64_t begin = warc_->add(page);
            if (page.state == page_state::stored)
                page.file = fmt::format("crawl.warc:{}", begin);
        }
}

} // namespace crawl
