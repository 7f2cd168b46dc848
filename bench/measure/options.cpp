#include "options.hpp"

#include <tandem/pool/thread_pool.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <string_view>

namespace measure {

namespace {

void print_help()
{
    const options defaults;
    fmt::print(R"(tandem-measure: which style suits which work on this machine

Runs work that waits (timers, TCP requests to a server inside this program), work that computes (counting primes) and work that
does both, each one by one, on threads, as coroutines and in processes. Shows for each the wall time (the median of several runs), how much faster
than one by one that is, and the CPU use: CPU seconds per second, the server's own not counted. Every answer is checked.

  --workers N    threads or processes of a pool; default {}, one per core
  --items N      how many items each workload has; default {}
  --repeat N     how many times each is run; default {}
  --latency MS   how long a timer takes, and the server to answer; default {}
  --python       also run it with Python's own pools of threads and of processes, if there is a python3
  --json FILE    also write everything to FILE
  --help         this text
)",
        defaults.workers, defaults.items, defaults.repeat, defaults.latency.count());
}

std::size_t number(std::string_view option, std::string_view text, std::size_t least, std::size_t most)
{
    std::size_t n = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (error != std::errc() || end != text.data() + text.size() || n < least || n > most)
        throw bad_option(fmt::format("{} takes a number between {} and {}, not '{}'", option, least, most, text));
    return n;
}

} // namespace

options::options() : workers(tandem::default_thread_count()), items(std::clamp<std::size_t>(4 * workers, 48, 100)) {}

std::optional<options> read_options(int argc, char** argv)
{
    options o;
    for (int k = 1; k < argc; ++k) {
        std::string_view name = argv[k];
        if (name == "--help" || name == "-h") {
            print_help();
            return std::nullopt;
        }
        std::optional<std::string_view> value;
        if (const std::size_t equals = name.find('='); equals != name.npos) {
            value = name.substr(equals + 1);
            name = name.substr(0, equals);
        }
        const auto text = [&] {
            if (!value && k + 1 < argc)
                value = argv[++k];
            if (!value || value->empty())
                throw bad_option(fmt::format("{} needs a value", name));
            return *value;
        };
        if (name == "--workers")
            o.workers = number(name, text(), 1, 1024);
        else if (name == "--items")
            o.items = number(name, text(), 1, 1'000'000);
        else if (name == "--repeat")
            o.repeat = number(name, text(), 1, 1000);
        else if (name == "--latency")
            o.latency = std::chrono::milliseconds(number(name, text(), 0, 60'000));
        else if (name == "--python" && !value)
            o.python = true;
        else if (name == "--json")
            o.json = text();
        else
            throw bad_option(fmt::format("there is no option '{}'; --help lists them", argv[k]));
    }
    return o;
}

} // namespace measure
