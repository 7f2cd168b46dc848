#include "table.hpp"

#include <asio/version.hpp>

#include <fmt/format.h>

#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <thread>
#include <utility>

namespace measure {

namespace {

// Styles whose times differ by less are called level: that much comes and goes from one run to the next.
constexpr double level_within = 1.1;

double median(std::vector<double> v)
{
    const std::size_t half = v.size() / 2;
    std::sort(v.begin(), v.end());
    return v.size() % 2 ? v[half] : (v[half - 1] + v[half]) / 2;
}

std::string cpu_name()
{
    std::ifstream info("/proc/cpuinfo");
    for (std::string line; std::getline(info, line);)
        if (line.rfind("model name", 0) == 0)
            return line.substr(std::min(line.find(':') + 2, line.size()));
    return "unknown processor";
}

std::string joined(const std::vector<std::string>& words)
{
    std::string s = words.front();
    for (std::size_t k = 1; k < words.size(); ++k)
        s += (k + 1 == words.size() ? " and " : ", ") + words[k];
    return s;
}

/// What the styles gain, as a span: "1.9x", or "1.8x to 1.9x".
std::string span(double least, double most)
{
    const std::string a = fmt::format("{:.1f}x", least);
    const std::string b = fmt::format("{:.1f}x", most);
    return a == b ? a : a + " to " + b;
}

std::string finding(const section& s)
{
    const double busy = s.rows.front().cpu_use;
    const char* const nature = busy < 0.25 ? "mostly wait" : busy > 0.75 ? "mostly compute" : "wait and compute";
    std::string text = fmt::format("{} {} (one by one they use {:.0f}% of a core)", s.workload, nature, 100 * busy);

    std::vector<const row*> by_wall;
    for (const row& r : s.rows)
        by_wall.push_back(&r);
    std::sort(by_wall.begin(), by_wall.end(), [](const row* a, const row* b) { return a->wall < b->wall; });
    const row& best = *by_wall.front();
    if (best.speed_up < level_within)
        return text + ", and no style was faster than one by one.";

    // Of the styles that are level, the one with the fewest workers comes first: it is enough.
    const auto level_end =
        std::find_if(by_wall.begin(), by_wall.end(), [&](const row* r) { return r->wall > best.wall * level_within; });
    std::vector<const row*> level(by_wall.begin(), level_end);
    std::sort(level.begin(), level.end(),
        [](const row* a, const row* b) { return std::pair(a->workers, a->wall) < std::pair(b->workers, b->wall); });
    std::vector<std::string> names;
    double least = best.speed_up;
    for (const row* r : level) {
        names.push_back(r->title);
        least = std::min(least, r->speed_up);
    }
    text += fmt::format(", so {} suit {}: {}", joined(names), level.size() == 1 ? "best" : "alike", span(least, best.speed_up));
    if (level_end != by_wall.end() && (*level_end)->speed_up >= level_within)
        text += fmt::format("; then {} with {:.1f}x", (*level_end)->title, (*level_end)->speed_up);
    return text + ".";
}

std::string quoted(const std::string& s)
{
    std::string q = "\"";
    for (const char c : s) {
        if (c == '"' || c == '\\')
            q += '\\';
        if (static_cast<unsigned char>(c) < 0x20)
            q += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        else
            q += c;
    }
    return q + '"';
}

} // namespace

machine this_machine()
{
    utsname u{};
    uname(&u);
    return {
        .cpu = cpu_name(),
        .cores = std::thread::hardware_concurrency(),
        .system = fmt::format("{} {} {}", u.sysname, u.release, u.machine),
#if defined(__clang__)
        .compiler = "Clang " __clang_version__,
#else
        .compiler = "GCC " __VERSION__,
#endif
        .asio = fmt::format("{}.{}.{}", ASIO_VERSION / 100000, ASIO_VERSION / 100 % 1000, ASIO_VERSION % 100),
    };
}

double cpu_seconds_of_all()
{
    // user, nice, system; then idle and waiting, which are not work; then interrupts and what the hypervisor took from us
    std::ifstream stat("/proc/stat");
    std::string cpu;
    double user = 0, nice = 0, system = 0, idle = 0, waiting = 0, interrupts = 0, soft_interrupts = 0, stolen = 0;
    stat >> cpu >> user >> nice >> system >> idle >> waiting >> interrupts >> soft_interrupts >> stolen;
    return stat ? (user + nice + system + interrupts + soft_interrupts + stolen) / static_cast<double>(sysconf(_SC_CLK_TCK)) : 0;
}

void summarise(std::vector<section>& sections)
{
    for (section& s : sections)
        for (row& r : s.rows) {
            std::vector<double> walls;
            std::vector<double> uses;
            for (const sample& x : r.samples) {
                walls.push_back(x.wall);
                uses.push_back(x.cpu / x.wall);
            }
            r.wall = median(walls);
            r.cpu_use = median(uses);
            r.speed_up = s.rows.front().wall / r.wall;
        }
}

void print_table(std::FILE* out, const machine& m, const options& o, const std::vector<section>& sections)
{
    fmt::print(out, "{}, {} cores; {}; Asio {}\n", m.cpu, m.cores, m.compiler, m.asio);
    fmt::print(out, "{} workers, {} items, {} ms latency, median of {}\n", o.workers, o.items, o.latency.count(), o.repeat);
    for (const section& s : sections) {
        fmt::print(out, "\n{:<48} {:>10} {:>9} {:>8}\n", s.title, "wall ms", "speed-up", "CPU use");
        for (const row& r : s.rows)
            fmt::print(out, "  {:<46} {:>10.1f} {:>8.1f}x {:>8.2f}\n", r.title, 1000 * r.wall, r.speed_up, r.cpu_use);
    }
}

void print_findings(std::FILE* out, const std::vector<section>& sections, double cores_of_others)
{
    fmt::print(out, "\n");
    for (const section& s : sections)
        fmt::print(out, "{}\n", finding(s));
    if (cores_of_others > 0.1)
        fmt::print(out, "Other programs kept {:.1f} cores busy meanwhile, so take all this with care.\n", cores_of_others);
}

void write_json(std::FILE* out, const machine& m, const options& o, const std::vector<section>& sections, double cores_of_others)
{
    fmt::print(out, "{{\n  \"machine\": {{\"cpu\": {}, \"cores\": {}, \"system\": {}, \"compiler\": {}, \"asio\": {}}},\n",
        quoted(m.cpu), m.cores, quoted(m.system), quoted(m.compiler), quoted(m.asio));
    fmt::print(out, "  \"options\": {{\"workers\": {}, \"items\": {}, \"repeat\": {}, \"latency_ms\": {}}},\n", o.workers, o.items,
        o.repeat, o.latency.count());
    fmt::print(out, "  \"cores_of_others\": {:.2f},\n  \"workloads\": [", cores_of_others);
    for (const section& s : sections) {
        fmt::print(out, "{}\n    {{\"name\": {}, \"title\": {}, \"answers\": \"checked\", \"finding\": {}, \"styles\": [",
            &s == &sections.front() ? "" : ",", quoted(s.workload), quoted(s.title), quoted(finding(s)));
        for (const row& r : s.rows) {
            fmt::print(out,
                "{}\n      {{\"name\": {}, \"title\": {}, \"workers\": {}, \"wall_s\": {:.6f}, \"speed_up\": {:.3f}, \"cpu_use\": "
                "{:.3f}, \"runs\": [",
                &r == &s.rows.front() ? "" : ",", quoted(r.style), quoted(r.title), r.workers, r.wall, r.speed_up, r.cpu_use);
            for (const sample& x : r.samples)
                fmt::print(out, "{}{{\"wall_s\": {:.6f}, \"cpu_s\": {:.6f}}}", &x == &r.samples.front() ? "" : ", ", x.wall, x.cpu);
            fmt::print(out, "]}}");
        }
        fmt::print(out, "\n    ]}}");
    }
    fmt::print(out, "\n  ]\n}}\n");
}

} // namespace measure
