#include "options.hpp"

#include "url.hpp"

#include <fmt/core.h>

#include <charconv>
#include <cstdlib>
#include <functional>
#include <map>
#include <string_view>

namespace crawl {

namespace {

constexpr const char* help = R"(usage: crawl URL... --out DIR [options]

Fetches the pages, and what they link to on the same host, into DIR. Stopped or killed, the same command goes on where it was;
then the URLs may be left out.

What belongs to the crawl
  --hosts PATTERNS     hosts to stay on, with commas: 'example.org,*.example.org'; the hosts of the URLs unless given
  --include PATTERN    only addresses that match, and the URLs; '*' stands for any text. May be given several times
  --exclude PATTERN    no addresses that match
  --depth N            at most N links away
  --max-pages N        store at most N pages
  --max-redirects N    follow at most N one after another (10)
Manners
  --rate N             pages a second from one host (10); 0: no limit. A Crawl-delay in robots.txt counts if it is slower
  --concurrency N      fetches at a time (64)
  --per-host N         fetches at a time from one host (6)
  --attempts N         tries for a page that fails for now: 429, 5xx, connections (3)
  --longest-pause SECONDS  that a Crawl-delay or a Retry-After can ask for (60)
  --user-agent TEXT    what we call ourselves
Limits of a page
  --max-size BYTES     of its content, unpacked: 500K, 16M (16M)
  --timeout SECONDS    for all of it (60)
  --slow SECONDS       how long it may come at less than 100 bytes a second (15)
How
  --warc               write a WARC file instead of a file per page
  --isolate            parse in other processes
  --retry-failed       try again what has failed in an earlier run
  --threads N          threads that parse (one per core)
  --ca FILE            certificates to trust in place of the system's
  --drain SECONDS      how long what is under way may go on after Ctrl-C (10)
  --json               a line of JSON per page, and one at the end
  --quiet              only the summary

Ends with 0 when all went well, 1 when pages failed, 2 for a wrong command, 3 when it could not go on, 130 when it was interrupted.
)";

[[noreturn]] void fail(const std::string& why)
{
    fmt::print(stderr, "crawl: {}\ncrawl --help tells more\n", why);
    std::exit(2);
}

template <class T>
T number(const std::string& name, std::string_view text, T least, T most)
{
    T n{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (error != std::errc() || end != text.data() + text.size() || !(n >= least && n <= most))
        fail(fmt::format("{} takes a number from {} to {}, not '{}'", name, least, most, text));
    return n;
}

std::size_t bytes(const std::string& name, std::string_view text)
{
    std::size_t unit = 1;
    if (text.ends_with('K') || text.ends_with('M') || text.ends_with('G')) {
        unit = text.back() == 'K' ? 1u << 10 : text.back() == 'M' ? 1u << 20 : 1u << 30;
        text.remove_suffix(1);
    }
    return unit * number<std::size_t>(name, text, 1, 1'000'000'000);
}

std::vector<std::string> list(std::string_view text)
{
    std::vector<std::string> items;
    while (!text.empty()) {
        const std::size_t comma = std::min(text.find(','), text.size());
        if (comma > 0)
            items.emplace_back(text.substr(0, comma));
        text.remove_prefix(std::min(comma + 1, text.size()));
    }
    return items;
}

} // namespace

options read_options(int argc, char** argv)
{
    options o;
    using value = const std::string&;
    std::string name;
    const auto milliseconds = [&](value v) {
        return std::chrono::milliseconds(static_cast<long>(1000 * number<double>(name, v, 0.001, 1e6)));
    };
    const std::map<std::string, std::function<void(value)>> with_value{
        {"--out", [&](value v) { o.out = v; }},
        {"--hosts", [&](value v) { o.hosts = list(v); }},
        {"--include", [&](value v) { o.include.push_back(v); }},
        {"--exclude", [&](value v) { o.exclude.push_back(v); }},
        {"--depth", [&](value v) { o.depth = number<int>(name, v, 0, 1'000'000); }},
        {"--max-pages", [&](value v) { o.max_pages = number<std::int64_t>(name, v, 1, 1'000'000'000'000); }},
        {"--max-redirects", [&](value v) { o.max_redirects = number<int>(name, v, 0, 100); }},
        {"--rate", [&](value v) { o.rate = number<double>(name, v, 0, 1e6); }},
        {"--concurrency", [&](value v) { o.concurrency = number<std::size_t>(name, v, 1, 10'000); }},
        {"--per-host", [&](value v) { o.per_host = number<std::size_t>(name, v, 1, 10'000); }},
        {"--attempts", [&](value v) { o.attempts = number<std::size_t>(name, v, 1, 100); }},
        {"--longest-pause", [&](value v) { o.longest_pause = milliseconds(v); }},
        {"--user-agent", [&](value v) { o.fetching.user_agent = v; }},
        {"--max-size", [&](value v) { o.max_size = bytes(name, v); }},
        {"--timeout", [&](value v) { o.fetching.timeout = milliseconds(v); }},
        {"--slow", [&](value v) { o.fetching.slow = std::chrono::seconds(number<int>(name, v, 1, 1'000'000)); }},
        {"--threads", [&](value v) { o.threads = number<std::size_t>(name, v, 1, 1024); }},
        {"--drain", [&](value v) { o.drain = milliseconds(v); }},
        {"--ca", [&](value v) { o.fetching.ca_file = v; }},
    };
    const std::map<std::string, bool*> switches{{"--warc", &o.warc}, {"--isolate", &o.isolate}, {"--retry-failed", &o.retry_failed},
        {"--json", &o.json}, {"--quiet", &o.quiet}};
    for (int i = 1; i < argc; ++i) {
        const std::string word = argv[i];
        const std::size_t sign = word.starts_with("--") ? word.find('=') : std::string::npos; // as in "--depth=2"
        name = word.substr(0, sign);
        if (word == "--")
            continue; // no address begins with '-', so what comes behind needs no protection
        if (word == "--help" || word == "-h") {
            fmt::print("{}", help);
            std::exit(0);
        }
        if (const auto found = switches.find(word); found != switches.end())
            *found->second = true;
        else if (const auto taking = with_value.find(name); taking != with_value.end()) {
            if (sign == std::string::npos && ++i == argc)
                fail(name + " needs something after it");
            taking->second(sign == std::string::npos ? argv[i] : word.substr(sign + 1));
        }
        else if (word.starts_with('-'))
            fail(fmt::format("there is no option '{}'", word));
        else if (const auto u = url::parse(word.find("://") == std::string::npos ? "http://" + word : word))
            o.urls.push_back(u->text());
        else
            fail(fmt::format("'{}' is no address of the web", word));
    }
    if (o.out.empty())
        fail("--out DIR is missing");
    o.fetching.connections = static_cast<long>(o.concurrency);
    o.fetching.per_host = static_cast<long>(o.per_host);
    return o;
}

} // namespace crawl
