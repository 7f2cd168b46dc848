#include "../pattern.hpp"
#include "../url.hpp"

#include <doctest/doctest.h>

#include <random>
#include <string>

using crawl::url;

namespace {

std::string canonical(std::string_view text)
{
    const auto u = url::parse(text);
    return u ? u->text() : "nothing";
}

std::string resolved(std::string_view base, std::string_view reference)
{
    const auto u = url::parse(base).value().resolve(reference);
    return u ? u->text() : "nothing";
}

} // namespace

TEST_CASE("url: one page has one text")
{
    CHECK(canonical("http://Example.ORG") == "http://example.org/");
    CHECK(canonical("HTTPS://example.org:443/a#part") == "https://example.org/a");
    CHECK(canonical("http://example.org:80/") == "http://example.org/");
    CHECK(canonical("http://example.org:8080/") == "http://example.org:8080/");
    CHECK(canonical("http://example.org:/") == "http://example.org/");
    CHECK(canonical("http://example.org./") == "http://example.org/");
    CHECK(canonical(" \n http://example.org/a b\t") == "http://example.org/a%20b");
    CHECK(canonical("http://example.org/a\nb") == "http://example.org/ab");
    CHECK(canonical("http://example.org/%7euser/%41%2f%2e") == "http://example.org/~user/A%2F.");
    CHECK(canonical("http://example.org/100%") == "http://example.org/100%25");
    CHECK(canonical("http://example.org/%zz") == "http://example.org/%25zz");
    CHECK(canonical("http://example.org/\xc3\xa9") == "http://example.org/%C3%A9");
    CHECK(canonical("http://example.org?") == "http://example.org/");
    CHECK(canonical("http://example.org?q=a b&c=[1]") == "http://example.org/?q=a%20b&c=%5B1%5D");
    CHECK(canonical("http:\\\\example.org\\a\\b") == "http://example.org/a/b");
    CHECK(canonical("http://[::1]:8080/x") == "http://[::1]:8080/x");
    CHECK(canonical("http://example.org/%00") == "http://example.org/%00");
}

TEST_CASE("url: dot segments, encoded ones too, do not lead out")
{
    CHECK(canonical("http://h/a/./b/../c") == "http://h/a/c");
    CHECK(canonical("http://h/../../etc/passwd") == "http://h/etc/passwd");
    CHECK(canonical("http://h/a/%2e%2E/%2e/b") == "http://h/b");
    CHECK(canonical("http://h/a/b/..") == "http://h/a/");
    CHECK(canonical("http://h/a/b/.") == "http://h/a/b/");
    CHECK(canonical("http://h/..") == "http://h/");
    CHECK(canonical("http://h/a..b/...") == "http://h/a..b/...");
    CHECK(canonical("http://h//a///b") == "http://h//a///b");
    CHECK(canonical("http://h/a/?x=/../y") == "http://h/a/?x=/../y");
}

TEST_CASE("url: what is not to be fetched is nothing")
{
    for (const char* const text :
        {"", "example.org", "ftp://example.org/", "mailto:a@b", "javascript:alert(1)", "http:", "http://", "http:///",
            "http://user@example.org/", "http://user:word@example.org/", "http://exa mple.org/", "http://example.org:0/",
            "http://example.org:65536/", "http://example.org:port/", "http://a..b/", "http://.a/", "http://[::1/", "http://[x]/",
            "http://b\xc3\xbc"
            "cher.de/",
            "data:text/html,x"})
        CHECK_MESSAGE(canonical(text) == "nothing", text);
    CHECK(canonical("http://example.org/" + std::string(url::longest, 'a')) == "nothing");
}

TEST_CASE("url: references are resolved as in RFC 3986, 5.4")
{
    constexpr const char* base = "http://a/b/c/d;p?q";
    CHECK(resolved(base, "g") == "http://a/b/c/g");
    CHECK(resolved(base, "./g") == "http://a/b/c/g");
    CHECK(resolved(base, "g/") == "http://a/b/c/g/");
    CHECK(resolved(base, "/g") == "http://a/g");
    CHECK(resolved(base, "//g") == "http://g/");
    CHECK(resolved(base, "?y") == "http://a/b/c/d;p?y");
    CHECK(resolved(base, "g?y") == "http://a/b/c/g?y");
    CHECK(resolved(base, "#s") == "http://a/b/c/d;p?q");
    CHECK(resolved(base, "g#s") == "http://a/b/c/g");
    CHECK(resolved(base, ";x") == "http://a/b/c/;x");
    CHECK(resolved(base, "") == "http://a/b/c/d;p?q");
    CHECK(resolved(base, ".") == "http://a/b/c/");
    CHECK(resolved(base, "..") == "http://a/b/");
    CHECK(resolved(base, "../../g") == "http://a/g");
    CHECK(resolved(base, "../../../g") == "http://a/g");
    CHECK(resolved(base, "g;x=1/../y") == "http://a/b/c/y");
    CHECK(resolved(base, "https://x/y") == "https://x/y");
    CHECK(resolved(base, "mailto:x") == "nothing");
    CHECK(resolved(base, "\\x") == "http://a/x");
}

TEST_CASE("url: the canonical form is its own canonical form, whatever it came from")
{
    std::minstd_rand random(7);
    const std::string_view letters = "ab./\\?#%&=:@;+ \x01\xe9\xff"
                                     "AF07-_~[]<>\"'";
    const url base = url::parse("http://h/a/b?c").value();
    int found = 0;
    for (int i = 0; i < 20'000; ++i) {
        std::string text;
        for (std::size_t n = random() % 12; n > 0; --n)
            text += letters[random() % letters.size()];
        const auto u = base.resolve(text);
        if (!u)
            continue;
        ++found;
        const auto again = url::parse(u->text());
        REQUIRE_MESSAGE(again, u->text());
        CHECK(*again == *u);
        CHECK(u->target().find('#') == std::string::npos);
        CHECK(u->path.find("/../") == std::string::npos);
        CHECK(!u->path.ends_with("/.."));
    }
    CHECK(found > 10'000);
}

TEST_CASE("pattern: a star is any text")
{
    CHECK(crawl::matches("*", ""));
    CHECK(crawl::matches("a*c*", "abcd"));
    CHECK(crawl::matches("*.example.org", "www.example.org"));
    CHECK(!crawl::matches("*.example.org", "example.org"));
    CHECK(!crawl::matches("a*c", "abcd"));
    CHECK(!crawl::matches("", "a"));
    // a pattern that would take for ever if it were tried in every way
    CHECK(!crawl::matches("a*a*a*a*a*a*a*a*a*a*a*a*b", std::string(5000, 'a')));
}
