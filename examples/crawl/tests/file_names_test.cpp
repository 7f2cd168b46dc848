#include "folder.hpp"

#include "../file_names.hpp"
#include "../mirror.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>

using crawl::url;

namespace {

std::string path(std::string_view address)
{
    std::string all;
    for (const std::string& name : crawl::file_names(url::parse(address).value()))
        all += "/" + name;
    return all.substr(1);
}

} // namespace

TEST_CASE("file_names: as the address says")
{
    CHECK(path("http://h/") == "h/index.html");
    CHECK(path("http://h/a/b.html") == "h/a/b.html");
    CHECK(path("http://h/a/b/") == "h/a/b/index.html");
    CHECK(path("http://h/a?x=1&y=2") == "h/a?x=1&y=2");
    CHECK(path("http://h/a/?x=1") == "h/a/index.html?x=1");
    CHECK(path("http://h:8080/a") == "h+8080/a");
    CHECK(path("https://h/a") == "h/a");
}

TEST_CASE("file_names: odd ones are safe")
{
    CHECK(path("http://h/../../etc/passwd") == "h/etc/passwd");
    CHECK(path("http://h/..%2f..%2fetc") == "h/..%2F..%2Fetc");
    CHECK(path("http://h/a?x=/../../y") == "h/a?x=%2F..%2F..%2Fy");
    CHECK(path("http://h//a") == "h/%/a");
    CHECK(path("http://h/%00%0a\xc3\xa9") == "h/%00%0A%C3%A9");
    CHECK(path("http://h/a:b\\c") == "h/a%3Ab/c");
    CHECK(path("http://h/...") == "h/...");
    CHECK(path("http://[::1]/a") == "[%3A%3A1]/a");
}

TEST_CASE("file_names: long ones are cut, and stay different")
{
    const std::string a = path("http://h/" + std::string(1000, 'a') + "1");
    const std::string b = path("http://h/" + std::string(1000, 'a') + "2");
    CHECK(a != b);
    CHECK(a.size() == 2 + crawl::longest_name);
    std::string deep = "http://h";
    for (int i = 0; i < 1500; ++i)
        deep += "/d";
    CHECK(path(deep + "1").size() < 100);
    CHECK(path(deep + "1") != path(deep + "2"));
}

TEST_CASE("mirror: a page that has the name of a folder, and a folder that has the name of a page")
{
    const folder f;
    crawl::mirror m(f.root);
    const auto store = [&](std::string_view address) {
        const std::string place = m.place_for(url::parse(address).value());
        const std::string part = (f.root / "part").string();
        std::ofstream(part) << address;
        m.move_in(part, place);
        m.forget_places();
        return place;
    };
    CHECK(store("http://h/a") == "h/a");
    CHECK(store("http://h/a/b") == "h/a~1/b");
    CHECK(store("http://h/a/c") == "h/a~1/c");
    CHECK(store("http://h/d/e") == "h/d/e");
    CHECK(store("http://h/d") == "h/d~1");
    CHECK(store("http://h/x.y/z") == "h/x.y/z");
    CHECK(store("http://h/x.y") == "h/x~1.y");
    CHECK(store("http://h/") == "h/index.html");
    CHECK(store("http://h/index.html") == "h/index~1.html");
    CHECK(store("https://h/a") == "h/a~2");
    // two of one batch, neither of them stored yet
    CHECK(m.place_for(url::parse("http://h/n").value()) == "h/n");
    CHECK(m.place_for(url::parse("https://h/n").value()) == "h/n~1");
    CHECK(m.place_for(url::parse("http://h/n/o").value()) == "h/n~2/o");
}

TEST_CASE("mirror: a symbolic link leads nowhere")
{
    const folder f;
    const folder elsewhere;
    crawl::mirror m(f.root);
    std::filesystem::create_directory(f.root / "h");
    std::filesystem::create_directory_symlink(elsewhere.root, f.root / "h" / "link");
    CHECK(m.place_for(url::parse("http://h/link/a").value()) == "h/link~1/a");
    CHECK(m.place_for(url::parse("http://h/link").value()) == "h/link~2");
}
