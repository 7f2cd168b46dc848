// A folder for a test.
#pragma once

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

/// Made anew, and removed with all in it afterwards.
struct folder {
    folder()
    {
        std::string name = (std::filesystem::temp_directory_path() / "crawl-test-XXXXXX").string();
        REQUIRE(mkdtemp(name.data()));
        root = name;
    }
    ~folder() { std::filesystem::remove_all(root); }
    [[nodiscard]] std::string read(const std::string& file) const
    {
        std::ifstream in(root / file);
        return {std::istreambuf_iterator<char>(in), {}};
    }
    std::filesystem::path root;
};
