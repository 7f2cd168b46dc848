#include "../links.hpp"
#include "../tag_scanner.hpp"
#include "../text.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using crawl::links_of;
using crawl::url;
using list = std::vector<std::string>;

namespace {

list links(std::string_view page, std::string_view type = "text/html; charset=utf-8")
{
    return links_of(page, type, url::parse("http://h/dir/page").value()).urls;
}

std::string repeated(std::string_view text, int n)
{
    std::string all;
    for (int i = 0; i < n; ++i)
        all += text;
    return all;
}

} // namespace

TEST_CASE("links: all that a page refers to, each once, in order")
{
    CHECK(links("<a href=a>x</a><A HREF='/b#x'>y</A><a href=a#again>z</a>") == list{"http://h/dir/a", "http://h/b"});
    CHECK(links("<link rel=stylesheet href=s.css><script src=s.js></script><img src=i.png srcset='i1.png 1x, i2.png 2x'>") ==
          list{"http://h/dir/s.css", "http://h/dir/s.js", "http://h/dir/i.png", "http://h/dir/i1.png", "http://h/dir/i2.png"});
    CHECK(links("<iframe src=f></iframe><video src=v poster=p></video><object data=o></object><area href=r>") ==
          list{"http://h/dir/f", "http://h/dir/v", "http://h/dir/p", "http://h/dir/o", "http://h/dir/r"});
    CHECK(links("<meta http-equiv=refresh content=\"5; URL='next'\">") == list{"http://h/dir/next"});
    CHECK(links("<a href='?a=1&amp;b=2'>") == list{"http://h/dir/page?a=1&b=2"});
    CHECK(links("<a href='mailto:x'><a href=''><a href='#top'><a>") == list{});
}

TEST_CASE("links: not those that only look like some")
{
    CHECK(links("<!-- <a href=a> --><script>'<a href=b>'</script><textarea><a href=c></textarea><style><a href=d></style>") ==
          list{});
}

TEST_CASE("links: <base> and nofollow")
{
    CHECK(links("<base href='/other/'><a href=a>") == list{"http://h/other/a"});
    CHECK(links("<base href='//else/'><base href=/x/><a href=a>") == list{"http://else/a"});
    CHECK(links("<meta name=Robots content='noindex, NoFollow'><a href=a>") == list{});
}

TEST_CASE("links: invalid pages are read as browsers read them")
{
    CHECK(links("<table><a href=a></td></i><a <a href=b>\xff\xfe<p") == list{"http://h/dir/a", "http://h/dir/b"});
    CHECK(links("") == list{});
    CHECK(links(std::string(100, '\0') + "<a href=a>") == list{"http://h/dir/a"});
}

TEST_CASE("links: pages in other encodings")
{
    CHECK(links("<a href=\"caf\xe9\">", "text/html; charset=ISO-8859-1") == list{"http://h/dir/caf%C3%A9"});
    CHECK(links("<meta charset='windows-1252'><a href=\"caf\xe9\">", "text/html") == list{"http://h/dir/caf%C3%A9"});
    CHECK(links("<a href=\"caf\xe9\">", "text/html") == list{"http://h/dir/caf%C3%A9"}); // no UTF-8, and says nothing
    CHECK(links("<a href=\"\x83\x65\">", "text/html; charset=shift_jis") == list{"http://h/dir/%E3%83%86"});
    CHECK(links(std::string_view("\xff\xfe<\0a\0 \0h\0r\0e\0f\0=\0b\0>\0", 22), "text/html") == list{"http://h/dir/b"});
    CHECK(links("<a href=b>", "text/html; charset=nonsense") == list{"http://h/dir/b"});
    CHECK(crawl::is_utf8("caf\xc3\xa9, eight bytes and more \xf0\x9f\x98\x80"));
    CHECK(!crawl::is_utf8("eight bytes \xc0\xaf"));
    CHECK(!crawl::is_utf8("\xed\xa0\x80"));
    CHECK(!crawl::is_utf8("cut \xe2\x82"));
}

TEST_CASE("links: what may have some")
{
    CHECK(crawl::has_links("text/html", ""));
    CHECK(crawl::has_links("Text/HTML ; charset=x", ""));
    CHECK(crawl::has_links("application/xhtml+xml", ""));
    CHECK(!crawl::has_links("text/plain", "<a>"));
    CHECK(!crawl::has_links("text/htmlx", "<a>"));
    CHECK(crawl::has_links("", "\n <!doctype html>"));
    CHECK(!crawl::has_links("", "GIF89a"));
    CHECK(!crawl::has_links("", "  "));
    CHECK(!crawl::has_links("", ""));
}

TEST_CASE("links: a page that exhausts the parser is scanned instead")
{
    const url base = url::parse("http://h/").value();
    // each element more makes Gumbo look through all the open ones
    const std::string deep = "<a href=first>" + repeated("<div>", 300'000) + "<a href=last>";
    const auto by_time = links_of(deep, "text/html", base, {.memory = 1u << 30, .seconds = 0.2});
    CHECK(by_time.urls == list{"http://h/first", "http://h/last"});
    CHECK(!by_time.whole_tree);
    const std::string wide = repeated("<a href=x>", 100'000) + "<a href=last>";
    const auto by_memory = links_of(wide, "text/html", base, {.memory = 1u << 20, .seconds = 60});
    CHECK(by_memory.urls == list{"http://h/x", "http://h/last"});
    CHECK(!by_memory.whole_tree);
    CHECK(links_of("<a href=x>", "text/html", base).whole_tree);
}

TEST_CASE("scan_tags: whatever comes, it ends")
{
    struct counter final : crawl::tag_visitor {
        void tag(std::string_view name, const crawl::attributes& a) override
        {
            tags += std::string(name) + "[" + std::string(a.get("href")) + "]";
        }
        std::string tags;
    };
    const auto scan = [](std::string_view page) {
        counter c;
        crawl::scan_tags(page, c);
        return c.tags;
    };
    CHECK(scan("<a href=x><b><A x HREF = 'y' z><a\nhref=\"a&amp;b\"/>") == "a[x]b[]A[y]a[a&b]");
    CHECK(scan("<!-- <a href=x> --><a href=y>") == "a[y]");
    CHECK(scan("<!-- never closed <a href=x>") == "");
    CHECK(scan("1 < 2 <> </a> <") == "");
    CHECK(scan("<a href='never closed") == "a[never closed]");
    CHECK(scan("<a href=") == "a[]");
    CHECK(scan("<a =x href=y>") == "a[y]");
}
