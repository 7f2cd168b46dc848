// downloads URL... [--out DIR]: the same files by `map`, which gives them all in the end, and by `apply_async`, which reports each the
// moment it is there. In both the pool has two threads, and all downloads are under way at once: a coroutine that waits keeps none.

#include "fetch.hpp"
#include "mirror.hpp"
#include "url.hpp"

#include <tandem/tandem.hpp>

#include <fmt/core.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

using namespace std::chrono_literals;

namespace {

struct job {
    std::string url;
    std::string file;
};

struct download {
    tandem::task<std::size_t> operator()(job j) const
    {
        crawl::request wanted{.url = j.url, .max_bytes = 1u << 30, .folder = parts};
        crawl::response got = co_await fetcher.fetch(std::move(wanted));
        if (got.status != 200)
            throw std::runtime_error(fmt::format("{}: HTTP {}", j.url, got.status));
        const std::size_t size = got.content.size();
        const std::filesystem::path part = std::move(got.content).to_file();
        std::filesystem::rename(part, out / j.file); // complete, or not there
        co_return size;
    }

    crawl::fetcher& fetcher;
    std::filesystem::path out;
    std::filesystem::path parts;
};

class reporter {
public:
    explicit reporter(const char* style) { fmt::print("{}\n", style); }
    // Callbacks may come several at once; a line is printed in one piece all the same.
    void file(const job& j, std::size_t size) const
    {
        fmt::print("{:8.3f} s  {:>9} B  {} -> {}\n", seconds(), size, j.url, j.file);
    }
    void failure(const std::exception_ptr& error) const
    {
        try {
            std::rethrow_exception(error);
        }
        catch (const std::exception& e) {
            fmt::print("{:8.3f} s  failed       {}\n", seconds(), e.what());
        }
    }

private:
    [[nodiscard]] double seconds() const
    {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
    }
    std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

bool by_map(tandem::thread_pool& pool, const download& get, const std::vector<job>& jobs)
{
    const reporter report("map: the files are there when all of them are, or when one has failed");
    try {
        const std::vector<std::size_t> sizes = pool.map(get, jobs);
        for (std::size_t i = 0; i < jobs.size(); ++i)
            report.file(jobs[i], sizes[i]);
        return true;
    }
    catch (...) {
        report.failure(std::current_exception());
        return false;
    }
}

bool by_apply_async(tandem::thread_pool& pool, const download& get, const std::vector<job>& jobs)
{
    const reporter report("apply_async: each is reported the moment it is there, and one that fails is nobody else's affair");
    std::vector<tandem::async_result<std::size_t>> handles;
    for (const job& j : jobs) {
        const auto there = [&report, &j](std::size_t size) { report.file(j, size); };
        const auto failed = [&report](const std::exception_ptr& error) { report.failure(error); };
        handles.push_back(pool.apply_async(get, tandem::args(j), there, failed));
    }
    bool all = true;
    for (auto& h : handles) {
        h.wait();
        all = h.successful() && all;
    }
    return all;
}

} // namespace

int main(int argc, char** argv)
{
    std::filesystem::path out = "downloads";
    std::vector<crawl::url> urls;
    for (int i = 1; i < argc; ++i) {
        const std::string argument = argv[i];
        if (argument == "--out" && i + 1 < argc)
            out = argv[++i];
        else if (const auto u = crawl::url::parse(argument))
            urls.push_back(*u);
        else {
            fmt::print(stderr, "downloads: '{}' is no address of the web\nusage: downloads URL... [--out DIR]\n", argument);
            return 2;
        }
    }
    if (urls.empty()) {
        fmt::print(stderr, "usage: downloads URL... [--out DIR]\n");
        return 2;
    }
    try {
        std::filesystem::create_directories(out);
        std::vector<job> jobs;
        crawl::mirror places(out);
        for (const crawl::url& u : urls)
            jobs.push_back({u.text(), places.place_for(u)});
        crawl::body::make_folders(out / ".parts");
        tandem::thread_pool pool{2};
        bool all = false;
        {
            crawl::fetcher fetcher(pool.context(), {});
            const download get{fetcher, out, out / ".parts"};
            all = by_map(pool, get, jobs);
            all = by_apply_async(pool, get, jobs) && all;
        }
        std::filesystem::remove_all(out / ".parts");
        return all ? 0 : 1;
    }
    catch (const std::exception& e) {
        fmt::print(stderr, "downloads: {}\n", e.what());
        return 1;
    }
}
