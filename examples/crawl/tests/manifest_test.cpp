#include "folder.hpp"

#include "../archive.hpp"
#include "../manifest.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <climits>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

using namespace crawl;

namespace {

page_record stored(archive& a, queued_page page, std::string_view text, std::vector<std::string> links = {})
{
    page_record r;
    r.page = std::move(page);
    r.state = page_state::stored;
    r.status = 200;
    r.size = static_cast<std::int64_t>(text.size());
    r.hash = sha256(text);
    body b(a.parts_folder());
    b.append(text);
    r.part = std::move(b).to_file();
    r.links = std::move(links);
    return r;
}

long parts(const archive& a)
{
    const std::filesystem::recursive_directory_iterator all(a.parts_folder());
    return std::count_if(begin(all), end(all), [](const auto& entry) { return entry.is_regular_file(); });
}

std::vector<queued_page> next(archive& a, std::size_t n = 100, int depth = INT_MAX)
{
    std::vector<page_record> none;
    return a.record(none, {{1, n}}, depth).next;
}

void start(archive& a, const std::string& address)
{
    auto t = a.state().begin();
    a.state().add(address, 0, 0);
    t.commit();
}

} // namespace

TEST_CASE("archive: pages are stored, their links queued, the least deep first")
{
    const folder f;
    archive a(f.root, false);
    start(a, "http://h/");
    auto pages = next(a);
    REQUIRE(pages.size() == 1);
    CHECK(next(a).empty()); // it is taken
    std::vector<page_record> records;
    records.push_back(stored(a, pages[0], "front", {"http://h/a", "http://h/b", "http://h/", "http://h/a"}));
    auto report = a.record(records, {{1, 1}}, INT_MAX);
    CHECK(records[0].file == "h/index.html");
    CHECK(f.read("h/index.html") == "front");
    REQUIRE(report.queued.size() == 1);
    CHECK(report.queued[0].pages == 2);
    REQUIRE(report.next.size() == 1);
    CHECK(report.next[0].url == "http://h/a");
    CHECK(report.next[0].depth == 1);
    records.clear();
    records.push_back(stored(a, report.next[0], "a", {"http://h/deep"}));
    report = a.record(records, {{1, 10}}, 1);
    REQUIRE(report.next.size() == 1); // not the deep one yet
    CHECK(report.next[0].url == "http://h/b");
    CHECK(a.state().count().stored == 2);
    CHECK(a.state().count().queued == 2);
}

TEST_CASE("archive: the same content is stored once, also within a batch")
{
    const folder f;
    archive a(f.root, false);
    for (const char* const u : {"http://h/1", "http://h/2", "http://h/3"})
        start(a, u);
    const auto pages = next(a);
    REQUIRE(pages.size() == 3);
    std::vector<page_record> records;
    records.push_back(stored(a, pages[0], "same"));
    records.push_back(stored(a, pages[1], "same"));
    CHECK(a.record(records, {}, INT_MAX).next.empty());
    CHECK(records[0].state == page_state::stored);
    CHECK(records[1].state == page_state::duplicate);
    CHECK(records[1].file == "h/1");
    records.clear();
    records.push_back(stored(a, pages[2], "same"));
    CHECK(a.record(records, {}, INT_MAX).next.empty());
    CHECK(records[0].state == page_state::duplicate);
    CHECK(records[0].file == "h/1");
    CHECK(!std::filesystem::exists(f.root / "h" / "2"));
    CHECK(parts(a) == 0);
}

TEST_CASE("archive: what was taken and not finished is queued again by the next run")
{
    const folder f;
    {
        archive a(f.root, false);
        start(a, "http://h/");
        CHECK(next(a).size() == 1);
        CHECK(a.state().count().queued == 1);
    }
    archive a(f.root, false);
    CHECK(next(a).size() == 1);
}

TEST_CASE("archive: a file that was moved in, but never entered, is removed by the next run")
{
    const folder f;
    {
        archive a(f.root, false);
        auto t = a.state().begin();
        a.state().announce("h/lost");
        t.commit();
        std::filesystem::create_directory(f.root / "h");
        std::ofstream(f.root / "h" / "lost") << "x";
        std::ofstream(f.root / "h" / "not ours") << "x";
        std::ofstream(a.parts_folder() / "7" / "7.part") << "x";
    }
    archive a(f.root, false);
    CHECK(!std::filesystem::exists(f.root / "h" / "lost"));
    CHECK(std::filesystem::exists(f.root / "h" / "not ours"));
    CHECK(parts(a) == 0);
    CHECK(a.state().announced().empty());
}

TEST_CASE("archive: one crawl at a time")
{
    const folder f;
    const archive a(f.root, false);
    CHECK_THROWS_WITH_AS(archive(f.root, false), doctest::Contains("another crawl"), std::runtime_error);
}

TEST_CASE("archive: begun with files it does not go on with WARC")
{
    const folder f;
    {
        const archive a(f.root, false);
    }
    CHECK_THROWS_WITH_AS(archive(f.root, true), doctest::Contains("begun without --warc"), std::runtime_error);
}

TEST_CASE("warc: what comes behind the known length is cut off")
{
    const folder f;
    const std::string file = (f.root / "x.warc").string();
    std::int64_t size = 0;
    page_record r;
    r.page.url = "http://h/";
    r.state = page_state::stored;
    r.head = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\nX: y\r\n\r\n";
    r.size = 4;
    r.content.append("text");
    {
        warc w(file, 0);
        CHECK(w.add(r) > 0);
        size = w.size();
        w.add(r);
    }
    {
        warc w(file, size);
        CHECK(w.add(r) == size);
    }
    CHECK(std::filesystem::file_size(file) > static_cast<std::uintmax_t>(size));
    const std::string all = f.read("x.warc");
    CHECK(all.starts_with("WARC/1.1\r\n"));
    CHECK(all.find("X-Crawler-Content-Encoding: gzip\r\n") != std::string::npos);
    CHECK(all.ends_with("X: y\r\nContent-Length: 4\r\n\r\ntext\r\n\r\n"));
}
