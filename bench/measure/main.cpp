// tandem-measure: the same work in every style that tandem has, timed and compared; see --help.

#include "close_file.hpp"
#include "options.hpp"
#include "server.hpp"
#include "styles.hpp"
#include "table.hpp"
#include "workloads.hpp"

#include <fmt/core.h>

#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>
#include <stdexcept>

namespace measure {

namespace {

const bool shows_progress = isatty(STDERR_FILENO) != 0;

void clear_progress() noexcept
{
    if (shows_progress)
        static_cast<void>(!write(STDERR_FILENO, "\r\033[K", 4)); // no more than a signal handler may do
}

void show_progress(std::size_t done, std::size_t all, const workload& w, const style& s)
{
    if (shows_progress)
        fmt::print(stderr, "\r\033[K{:3} %  {}, {}", 100 * done / all, w.name, s.title());
}

/// Ctrl-C ends the program at once, and leaves a clean line behind.
extern "C" void interrupted(int signal)
{
    clear_progress();
    std::signal(signal, SIG_DFL);
    std::raise(signal);
}

double cpu_seconds()
{
    rusage u{};
    getrusage(RUSAGE_SELF, &u);
    const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6; };
    return seconds(u.ru_utime) + seconds(u.ru_stime);
}

void check(const workload& w, const style& s, const std::vector<std::uint64_t>& given)
{
    if (given.size() != w.answers.size())
        throw std::runtime_error(fmt::format("{}, {}: {} answers to {} items", w.name, s.title(), given.size(), w.answers.size()));
    for (std::size_t k = 0; k < given.size(); ++k)
        if (given[k] != w.answers[k])
            throw std::runtime_error(
                fmt::format("{}, {}: wrong answer to item {}: {}, not {}", w.name, s.title(), k, given[k], w.answers[k]));
}

sample run_once(const workload& w, style& s, const server& srv)
{
    const double cpu_before = cpu_seconds() - srv.cpu_seconds();
    const auto before = std::chrono::steady_clock::now();
    const answers given = s.run(w);
    const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - before;
    const double cpu = cpu_seconds() - srv.cpu_seconds() - cpu_before + given.cpu_seconds_elsewhere;
    check(w, s, given.values);
    return {.wall = wall.count(), .cpu = cpu};
}

std::vector<section> run_all(const options& o)
{
    const server srv(o.latency);
    const std::vector<workload> workloads = make_workloads(o.items, o.latency, srv.port());
    const std::vector<std::unique_ptr<style>> styles = make_styles(o.workers, o.items, o.python);

    std::vector<section> sections;
    for (const workload& w : workloads) {
        section& s = sections.emplace_back(section{.workload = w.name, .title = w.title, .rows = {}});
        for (const auto& st : styles)
            s.rows.push_back({.style = st->name(), .title = st->title(), .workers = st->workers(), .samples = {}});
    }
    // Round by round, so that a busy moment of the machine falls on all styles and not on all runs of one.
    std::size_t done = 0;
    for (std::size_t round = 0; round < o.repeat; ++round)
        for (std::size_t k = 0; k < workloads.size(); ++k)
            for (std::size_t j = 0; j < styles.size(); ++j) {
                show_progress(done++, o.repeat * workloads.size() * styles.size(), workloads[k], *styles[j]);
                sections[k].rows[j].samples.push_back(run_once(workloads[k], *styles[j], srv));
            }
    clear_progress();
    summarise(sections);
    return sections;
}

[[noreturn]] void json_failed(const options& o)
{
    throw std::runtime_error(fmt::format("cannot write {}: {}", o.json, std::strerror(errno)));
}

int run(const options& o)
{
    std::signal(SIGINT, interrupted);
    file json; // opened first: better to fail before the work than after it
    if (!o.json.empty() && !(json = file(std::fopen(o.json.c_str(), "w"))))
        json_failed(o);

    const auto start = std::chrono::steady_clock::now();
    const double others_before = cpu_seconds_of_all() - cpu_seconds();
    const std::vector<section> sections = run_all(o);
    const double others = cpu_seconds_of_all() - cpu_seconds() - others_before;
    const double cores_of_others = others / std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();

    const machine m = this_machine();
    print_table(stdout, m, o, sections);
    print_findings(stdout, sections, cores_of_others);
    if (json) {
        write_json(json.get(), m, o, sections, cores_of_others);
        if (std::fflush(json.get()) != 0)
            json_failed(o);
    }
    return 0;
}

} // namespace

} // namespace measure

int main(int argc, char** argv)
{
    measure::prepare_styles();
    try {
        const auto o = measure::read_options(argc, argv);
        return o ? measure::run(*o) : 0;
    }
    catch (const measure::bad_option& e) {
        fmt::print(stderr, "tandem-measure: {}\n", e.what());
        return 2;
    }
    catch (const std::exception& e) {
        measure::clear_progress();
        fmt::print(stderr, "tandem-measure: {}\n", e.what());
        return 1;
    }
}
