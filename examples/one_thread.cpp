// One thread for one job, as Python's threading.Thread(target=…, args=…, kwargs=…).
// Positional arguments go as they are, named ones in a struct with designated initialisers. get() waits for the result.

#include "command_line.hpp"

#include <tandem/pool/start_thread.hpp>

#include <fmt/core.h>

#include <chrono>
#include <string>
#include <thread>

struct style {
    std::string greeting = "hello";
    int times = 1;
    double seconds = 0.5;
};

std::string greet(const std::string& name, style s)
{
    std::this_thread::sleep_for(std::chrono::duration<double>(s.seconds)); // in place of work
    std::string text = s.greeting;
    for (int i = 0; i < s.times; ++i)
        text += " " + name;
    return text;
}

int main(int argc, char** argv)
{
    double seconds = 0.5;
    read_command_line(argc, argv, option("--seconds", seconds, 0, 60));

    auto thread = tandem::start_thread(greet, tandem::args("world", style{.times = 3, .seconds = seconds}));
    fmt::print("the program goes on\n");
    fmt::print("{}\n", thread.get());
}
