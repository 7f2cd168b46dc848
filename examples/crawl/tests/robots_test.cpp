#include "../robots.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <string>

using crawl::robots;
using namespace std::chrono_literals;

namespace {

robots parse(std::string_view text) { return robots::parse(text, "tandem-crawl"); }

} // namespace

TEST_CASE("robots: without rules everything is allowed")
{
    CHECK(robots().allows("/a"));
    CHECK(parse("").allows("/a"));
    CHECK(parse("User-agent: *\nDisallow:\n").allows("/a"));
    CHECK(parse("Disallow: /\n").allows("/a")); // of no group
    CHECK(parse("<html>404</html>").allows("/a"));
    CHECK(!robots::nothing_allowed().allows("/a"));
}

TEST_CASE("robots: the group for us counts, else the one for all")
{
    constexpr std::string_view text =
        "User-agent: *\nDisallow: /\n\nuser-agent: Tandem-Crawl/2.0\nuser-agent: other\nDisallow: /private # no\n";
    CHECK(parse(text).allows("/public"));
    CHECK(!parse(text).allows("/private/x"));
    CHECK(!robots::parse(text, "another").allows("/public"));
    CHECK(!robots::parse(text, "other").allows("/private"));
    // groups for the same name are one
    const robots two =
        parse("User-agent: tandem-crawl\nDisallow: /a\nUser-agent: x\nDisallow: /c\nUser-agent: tandem-crawl\nDisallow: /b\n");
    CHECK(!two.allows("/a"));
    CHECK(!two.allows("/b"));
    CHECK(two.allows("/c"));
}

TEST_CASE("robots: the longest rule decides, in doubt for us")
{
    const robots r = parse("User-agent: *\nDisallow: /a\nAllow: /a/b\nDisallow: /a/b/c\nAllow: /same\nDisallow: /same\n");
    CHECK(!r.allows("/a/x"));
    CHECK(r.allows("/a/b/x"));
    CHECK(!r.allows("/a/b/c"));
    CHECK(r.allows("/same"));
    CHECK(r.allows("/b"));
    CHECK(parse("User-agent: *\nDisallow: /\n").allows("/robots.txt"));
}

TEST_CASE("robots: stars, dollars, encoding")
{
    const robots r =
        parse("User-agent: *\r\nDisallow: /*.pdf$\r\nDisallow: /x*y\r\nDisallow: /%7euser\r\nDisallow: /caf\xc3\xa9\r\n");
    CHECK(!r.allows("/a/b.pdf"));
    CHECK(r.allows("/a/b.pdf?x"));
    CHECK(!r.allows("/x/long/way/y/z"));
    CHECK(!r.allows("/~user/x"));
    CHECK(!r.allows("/caf%C3%A9"));
}

TEST_CASE("robots: Crawl-delay")
{
    CHECK(parse("User-agent: *\nCrawl-delay: 1.5\n").crawl_delay() == 1500ms);
    CHECK(!parse("User-agent: *\nCrawl-delay: soon\n").crawl_delay());
    CHECK(!parse("User-agent: *\nCrawl-delay: -1\n").crawl_delay());
    CHECK(!parse("User-agent: *\nDisallow: /\n").crawl_delay());
}

TEST_CASE("robots: nonsense is survived")
{
    std::string text = "\xef\xbb\xbfUser-agent: *\nDisallow\n: /\nDisallow: /a\n";
    text += std::string(100'000, ':') + "\n" + std::string(1000, '\0') + "\nDisallow: /b";
    CHECK(!parse(text).allows("/a"));
    CHECK(!parse(text).allows("/b"));
    CHECK(parse(text).allows("/c"));
}
