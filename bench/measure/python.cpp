#include "python.hpp"

#include "close_file.hpp"

#include <fmt/core.h>

#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>

extern char** environ;

namespace measure {

namespace {

// The workloads once more. It reads runs, a line each ("WORKLOAD NUMBER,PORT,LATENCY_MS,FIRST,LAST ..."), and answers with a line: the
// CPU seconds of all its processes, and the answers.
constexpr const char* script = R"python(
import resource, socket, sys, time
from multiprocessing import Pool
from multiprocessing.dummy import Pool as ThreadPool

def timers(i):
    time.sleep(i[2] / 1000)
    return i[0]

def requests(i):
    with socket.create_connection(("127.0.0.1", i[1])) as s:
        s.sendall(i[0].to_bytes(8, sys.byteorder))
        answer = b""
        while len(answer) < 8:
            answer += s.recv(8 - len(answer))
    return int.from_bytes(answer, sys.byteorder)

def is_prime(n):
    if n < 2 or (n % 2 == 0 and n != 2):
        return False
    d = 3
    while d <= n // d:
        if n % d == 0:
            return False
        d += 2
    return True

def primes(i):
    return sum(map(is_prime, range(i[3], i[4])))

def services(i):
    return (requests(i) + primes(i)) % 2**64 # as ours wrap

def timed(call):
    # What a worker process used is known here only when it has gone; so each call says what it took.
    f, i = call
    before = time.thread_time()
    answer = f(i)
    return answer, time.thread_time() - before

if __name__ == "__main__":
    kind, workers = sys.argv[1:]
    with {"threads": ThreadPool, "processes": Pool}[kind](int(workers)) as pool:
        for line in sys.stdin:
            name, *items = line.split()
            calls = [(globals()[name], tuple(map(int, i.split(",")))) for i in items]
            before = time.process_time()
            done = pool.map(timed, calls)
            cpu = time.process_time() - before
            if kind == "processes":
                cpu += sum(c for _, c in done)
            print(cpu, *(a for a, _ in done), flush=True)
)python";

class python final : public style {
public:
    python(const char* kind, std::size_t n) : style(fmt::format("python_{}", kind), fmt::format("Python, {} {}", n, kind), n)
    {
        int ends[2];
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
            throw std::runtime_error("no socket for python3");
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, ends[1], 0);
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
        const std::string count = std::to_string(n);
        const char* const arguments[] = {"python3", "-c", script, kind, count.c_str(), nullptr};
        const int failed = posix_spawnp(&pid_, "python3", &actions, nullptr, const_cast<char**>(arguments), environ);
        posix_spawn_file_actions_destroy(&actions);
        close(ends[1]);
        to_.reset(fdopen(dup(ends[0]), "w"));
        from_.reset(fdopen(ends[0], "r"));
        if (failed)
            throw std::runtime_error(fmt::format("cannot start python3: {}", std::strerror(failed)));
    }
    ~python() override
    {
        shutdown(fileno(to_.get()), SHUT_WR); // the end of its input
        waitpid(pid_, nullptr, 0);
    }

    answers run(const workload& w) override
    {
        std::string line = w.name;
        for (const item& i : w.items)
            line += fmt::format(" {},{},{},{},{}", i.number, i.port, i.latency_ms, i.first, i.last);
        fmt::print(to_.get(), "{}\n", line);
        std::fflush(to_.get());
        answers a;
        bool good = std::fscanf(from_.get(), "%lf", &a.cpu_seconds_elsewhere) == 1;
        for (std::size_t k = 0; good && k < w.items.size(); ++k) {
            unsigned long long n = 0;
            good = std::fscanf(from_.get(), "%llu", &n) == 1;
            a.values.push_back(n);
        }
        if (!good)
            throw std::runtime_error("python3 gave no answer");
        return a;
    }

private:
    pid_t pid_ = 0;
    file to_;
    file from_;
};

bool there_is_python()
{
    const char* const path = std::getenv("PATH");
    std::string folders = path ? path : "";
    for (std::size_t begin = 0; begin <= folders.size();) {
        const std::size_t end = std::min(folders.find(':', begin), folders.size());
        if (access((folders.substr(begin, end - begin) + "/python3").c_str(), X_OK) == 0)
            return true;
        begin = end + 1;
    }
    return false;
}

} // namespace

std::vector<std::unique_ptr<style>> make_python(std::size_t n)
{
    std::vector<std::unique_ptr<style>> all;
    if (there_is_python())
        for (const char* kind : {"threads", "processes"})
            all.push_back(std::make_unique<python>(kind, n));
    return all;
}

} // namespace measure
