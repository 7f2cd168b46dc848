#include "styles.hpp"

#include "processes.hpp"
#include "python.hpp"

#include <tandem/combine/map.hpp>
#include <tandem/pool/co_spawn.hpp>
#include <tandem/pool/thread_pool.hpp>
#include <tandem/process/process_server.hpp>

#include <fmt/core.h>

#include <sys/resource.h>

#include <algorithm>

namespace measure {

namespace {

std::string count_of_threads(std::size_t n) { return n == 1 ? "1 thread" : fmt::format("{} threads", n); }

/// A plain loop.
class one_by_one final : public style {
public:
    one_by_one() : style("one_by_one", "one by one", 1) {}

    answers run(const workload& w) override
    {
        answers a;
        for (const item& i : w.items)
            a.values.push_back(w.blocking(i));
        return a;
    }
};

/// The blocking verbs: a thread that waits does nothing else.
class threads final : public style {
public:
    threads(std::string name, std::size_t n) : style(std::move(name), count_of_threads(n), n), pool_(n) {}

    answers run(const workload& w) override { return {.values = pool_.map(w.blocking, w.items)}; }

private:
    tandem::thread_pool pool_;
};

/// Every item is a coroutine, and all are under way at once, as far as there are descriptors for their sockets.
class coroutines final : public style {
public:
    coroutines(std::size_t n, std::size_t at_once)
        : style("coroutines", "coroutines on " + count_of_threads(n), n), pool_(n), at_once_(at_once)
    {
    }

    answers run(const workload& w) override
    {
        return {.values = tandem::sync_wait(pool_, tandem::map(w.items, w.coroutine, {.concurrency = at_once_}))};
    }

private:
    tandem::thread_pool pool_;
    std::size_t at_once_;
};

/// How many requests may be under way, each with a descriptor at both ends; takes as many descriptors as the system lets us.
std::size_t most_at_once()
{
    rlimit files{};
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    getrlimit(RLIMIT_NOFILE, &files);
    return std::clamp<std::size_t>(
        (files.rlim_cur - std::min<rlim_t>(files.rlim_cur, 400)) / 2, 1, 2000); // the rest: threads, the program
}

} // namespace

void prepare_styles() { tandem::process_server::start(); }

std::vector<std::unique_ptr<style>> make_styles(std::size_t workers, std::size_t items, bool python)
{
    std::vector<std::unique_ptr<style>> all;
    all.push_back(std::make_unique<one_by_one>());
    all.push_back(std::make_unique<threads>("threads", workers));
    // What many a program does that has much to wait for: more threads than cores.
    if (const std::size_t many = std::min<std::size_t>(items, 16 * workers); many > workers && many <= 1024)
        all.push_back(std::make_unique<threads>("many_threads", many));
    all.push_back(std::make_unique<coroutines>(workers, most_at_once()));
    all.push_back(make_processes(workers));
    if (python)
        for (auto& s : make_python(workers))
            all.push_back(std::move(s));
    return all;
}

} // namespace measure
