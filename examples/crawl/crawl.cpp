// crawl URL... --out DIR: fetches the pages, and what they link to on the same host, and stores them as they come; see docs/crawler.md.
// Sockets and coroutines on one pool, parsing on another, SQLite on a thread of its own; Ctrl-C stops, and the next run goes on.

#include "crawler.hpp"
#include "options.hpp"
#include "view.hpp"

#include <tandem/io/signals.hpp>
#include <tandem/process/process_pool.hpp>
#include <tandem/tandem.hpp>

#include <fmt/core.h>

#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <optional>
#include <string_view>

namespace {

// Whether a picture can be drawn anew in place.
bool on_terminal()
{
    const char* const kind = std::getenv("TERM");
    return isatty(STDOUT_FILENO) != 0 && kind && std::string_view(kind) != "dumb";
}

crawl::view::style style_of(const crawl::options& o)
{
    using style = crawl::view::style;
    return o.quiet ? style::quiet : o.json ? style::json : on_terminal() ? style::live : style::lines;
}

} // namespace

int main(int argc, char** argv)
{
    const crawl::options options = crawl::read_options(argc, argv);
    try {
        std::optional<tandem::process_pool> isolated; // before there are threads
        if (options.isolate)
            isolated.emplace(tandem::process_pool_options{.task_timeout = std::chrono::seconds(20)});
        tandem::thread_pool cpu{{.threads = options.threads ? options.threads : tandem::default_thread_count(), .name = "cpu"}};
        tandem::thread_pool io{{.threads = 1, .name = "io"}};
        auto interrupt = tandem::wait_signal(io, {SIGINT, SIGTERM});
        crawl::progress progress;
        crawl::view view(style_of(options), progress);
        crawl::crawler crawler(options, io, cpu, isolated ? &*isolated : nullptr, view, progress);
        const auto outcome = tandem::sync_wait(io, crawler.run(std::move(interrupt)));
        view.summary(outcome.counts, outcome.interrupted);
        return outcome.interrupted ? 130 : outcome.counts.failed > 0 ? 1 : 0;
    }
    catch (const std::exception& e) {
        fmt::print(stderr, "crawl: {}\n", e.what());
        return 3;
    }
}
