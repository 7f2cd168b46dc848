// A batch with some inputs that crash the code: the rest is finished, and the bad ones are listed with their cause.
// Ctrl-C ends the batch after what has begun; a second one ends the program. --seconds N: how long a good input takes.

#include "command_line.hpp"

#include <tandem/process/process_pool.hpp>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

// [work]
struct work {
    std::string name;
    double seconds = 0;

    template <class Archive>
    void serialize(Archive& archive) // how it crosses: cereal's way
    {
        archive(name, seconds);
    }
};
// [/work]

// Some library that is not as good as it should be.
std::size_t process(const work& w)
{
    if (w.name == "null.dat")
        std::raise(SIGSEGV); // as what follows a null pointer
    if (w.name == "assertion.dat")
        std::abort();
    if (w.name == "exit.dat")
        std::_Exit(3);
    if (w.name == "endless.dat")
        for (;;)
            std::this_thread::sleep_for(1s);
    if (w.name == "malformed.dat")
        throw std::invalid_argument("no header");
    std::this_thread::sleep_for(std::chrono::duration<double>(w.seconds));
    return w.name.size();
}

volatile std::sig_atomic_t interrupted = 0;
extern "C" void interrupt(int)
{
    interrupted = 1;
    std::signal(SIGINT, SIG_DFL); // the second one ends the program, and with it the workers
}

int main(int argc, char** argv)
{
    double length = 0.01;
    read_command_line(argc, argv, option("--seconds", length, 0, 60));

    tandem::process_pool pool{{.processes = 4, .task_timeout = std::chrono::milliseconds(500 + static_cast<int>(2000 * length))}};
    std::signal(SIGINT, interrupt); // the workers ignore it

    std::vector<work> batch;
    for (int i = 0; i < 20; ++i)
        batch.push_back({fmt::format("good{}.dat", i), length});
    for (const char* bad : {"null.dat", "assertion.dat", "exit.dat", "endless.dat", "malformed.dat"})
        batch.insert(batch.begin() + 2 * (batch.end() - batch.begin()) / 3, {bad, 0});

    // [crash_proof]
    // One call per item, so that a crash takes nothing else with it; imap goes on after an error.
    int good = 0;
    auto results = pool.imap(process, batch);
    for (const work& w : batch) {
        if (interrupted)
            break;
        try {
            results.next();
            ++good;
        }
        catch (const tandem::worker_died& e) {
            const std::string cause = e.signal() ? fmt::format("signal {}", e.signal()) : fmt::format("exit {}", e.exit_code());
            fmt::print("{}: died, {}\n", w.name, cause);
        }
        catch (const std::exception& e) {
            fmt::print("{}: {}\n", w.name, e.what());
        }
    }
    // [/crash_proof]
    fmt::print("{} of {} done{}\n", good, batch.size(), interrupted ? ", then interrupted" : "");
}
