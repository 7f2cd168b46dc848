#include "cases.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <csignal>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace services {

namespace {

namespace fs = std::filesystem;

/// A child process whose stdin is ours to close, and whose stdout is ours to read.
class child {
public:
    child(const std::string& program, std::vector<std::string> arguments)
    {
        std::array<int, 2> in{};
        std::array<int, 2> out{};
        if (pipe2(in.data(), O_CLOEXEC) != 0 || pipe2(out.data(), O_CLOEXEC) != 0)
            throw std::runtime_error("pipe failed");
        pid_ = fork();
        if (pid_ == 0) {
            dup2(in[0], 0);
            dup2(out[1], 1);
            std::vector<char*> argv{const_cast<char*>(program.c_str())};
            for (std::string& a : arguments)
                argv.push_back(a.data());
            argv.push_back(nullptr);
            execvp(program.c_str(), argv.data());
            _exit(127);
        }
        close(in[0]);
        close(out[1]);
        in_ = in[1];
        out_ = fdopen(out[0], "r");
    }
    child(const child&) = delete;
    child& operator=(const child&) = delete;
    ~child()
    {
        end();
        std::fclose(out_);
    }

    std::string line()
    {
        std::string text;
        for (int c; (c = std::fgetc(out_)) != EOF && c != '\n';)
            text += static_cast<char>(c);
        return text;
    }
    std::string rest()
    {
        std::string text;
        for (int c; (c = std::fgetc(out_)) != EOF;)
            text += static_cast<char>(c);
        return text;
    }
    void end(int signal_number = 0)
    {
        if (pid_ < 0)
            return;
        close(in_);
        if (signal_number)
            kill(pid_, signal_number);
        rusage used{};
        wait4(pid_, nullptr, 0, &used);
        pid_ = -1;
        for (const timeval& t : {used.ru_utime, used.ru_stime})
            cpu_seconds_ += static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
    }
    /// That it has used, once it has ended.
    [[nodiscard]] double cpu_seconds() const { return cpu_seconds_; }

private:
    pid_t pid_ = -1;
    int in_ = -1;
    std::FILE* out_ = nullptr;
    double cpu_seconds_ = 0;
};

double median(std::vector<double> v)
{
    std::sort(v.begin(), v.end());
    return v.empty() ? 0 : v[v.size() / 2];
}

const std::string self = fs::read_symlink("/proc/self/exe").string();
constexpr int rounds = 5;

void compare_sleepers()
{
    constexpr const char* count = "1000000";
    fmt::print("One million asleep at once       bytes each   start, s   CPU ns each\n");
    for (const char* who : {"tandem", "asio_awaitable", "asio_callbacks"}) {
        std::vector<double> bytes;
        std::vector<double> start;
        std::vector<double> cpu;
        for (int k = 0; k < 3; ++k) {
            child c(self, {"sleepers", who, count});
            std::istringstream line(c.line());
            double b = 0;
            double s = 0;
            double n = 0;
            if (!(line >> b >> s >> n))
                throw std::runtime_error(std::string("the sleepers of ") + who + " gave nothing");
            bytes.push_back(b);
            start.push_back(s);
            cpu.push_back(n);
        }
        fmt::print("  {:<28} {:>12.0f} {:>10.2f} {:>13.0f}\n", who, median(bytes), median(start), median(cpu));
        std::fflush(stdout);
    }
}

/// Of each, by turns.
using by_turns = std::map<std::string, std::vector<double>>;

/// `cpu`: the server's for a request, in nanoseconds, or nothing.
void print_rates(const by_turns& all, const by_turns& cpu = {})
{
    const double ours = median(all.at("tandem"));
    for (const auto& [who, v] : all) {
        fmt::print("  {:<28} {:>12.0f}", who, median(v));
        if (const auto c = cpu.find(who); c != cpu.end())
            fmt::print(" {:>8.0f}", median(c->second));
        if (who != "tandem") {
            std::vector<double> ratios;
            for (std::size_t k = 0; k < v.size(); ++k)
                ratios.push_back(all.at("tandem")[k] / v[k]);
            fmt::print("   tandem {:.2f} of it (round by round {:.2f})", ours / median(v), median(ratios));
        }
        fmt::print("\n");
    }
    std::fflush(stdout);
}

void compare_echo(const char* client_on, double seconds)
{
    fmt::print("\nTCP echo, 64 x 64 bytes, client on {:<6} requests/s   CPU ns\n", client_on);
    by_turns all;
    by_turns cpu;
    for (int k = 0; k < 2 * rounds; ++k) // it varies the most
        for (const char* who : {"tandem", "asio_awaitable", "asio_callbacks"}) {
            child server(self, {"echo_server", who});
            child client(self, {"echo_client", client_on, server.line(), fmt::format("{}", seconds)});
            const double rate = std::stod(client.line());
            client.end();
            server.end();
            all[who].push_back(rate);
            cpu[who].push_back(server.cpu_seconds() / (rate * seconds) * 1e9);
        }
    print_rates(all, cpu);
}

double wrk(const std::string& port, double seconds)
{
    child c("wrk",
        {"-t1", "-c64", fmt::format("-d{}s", std::max(1, static_cast<int>(seconds))), "http://127.0.0.1:" + port + "/plaintext"});
    const std::string text = c.rest();
    const std::size_t at = text.find("Requests/sec:");
    return at == std::string::npos ? 0 : std::stod(text.substr(at + 13));
}

void compare_http(double seconds)
{
    const fs::path example = fs::path(self).parent_path().parent_path() / "examples" / "http_service";
    if (!fs::exists(example) || std::system("command -v wrk >/dev/null") != 0) {
        fmt::print("\nHTTP: not measured; it needs wrk and {}\n", example.string());
        return;
    }
    fmt::print("\nHTTP plaintext, wrk, 64 connections   requests/s\n");
    by_turns all;
    for (int k = 0; k < rounds; ++k) {
        {
            child server(example.string(), {"--port", "0"});
            const std::string line = server.line(); // listening on port N; …
            all["tandem"].push_back(wrk(line.substr(18, line.find(';') - 18), seconds));
            server.end(SIGTERM);
        }
        child server(self, {"http_server", "asio_callbacks"});
        all["asio_callbacks"].push_back(wrk(server.line(), seconds));
    }
    print_rates(all);
}

} // namespace

void compare(double seconds)
{
    compare_sleepers();
    for (const char* client_on : {"asio", "epoll"})
        compare_echo(client_on, seconds);
    compare_http(seconds);
}

} // namespace services
