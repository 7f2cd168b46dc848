// tandem-services: what a service on Tandem costs, beside the same on raw Asio, in one run: a million coroutines asleep, TCP echo, and,
// where wrk is installed, HTTP. Each measurement is a process of its own, so that none has the memory or the threads of another.

#include "cases.hpp"

#include <fmt/core.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

int main(int argc, char** argv)
{
    const std::vector<std::string> arguments(argv + 1, argv + argc);
    const auto is = [&](std::string_view what, std::size_t n) { return arguments.size() == n && arguments[0] == what; };
    try {
        // Each of these is started by the one below it as a child.
        if (is("sleepers", 3))
            services::sleepers(arguments[1], std::stoul(arguments[2]));
        else if (is("echo_server", 2))
            services::echo_server(arguments[1]);
        else if (is("echo_client", 4))
            services::echo_client(arguments[1], arguments[2], std::stod(arguments[3]));
        else if (is("http_server", 2))
            services::http_server(arguments[1]);
        else if (arguments.empty() || (arguments.size() == 2 && arguments[0] == "--seconds"))
            services::compare(arguments.empty() ? 1.5 : std::stod(arguments[1]));
        else {
            fmt::print(
                stderr, "usage: tandem-services [--seconds S]   S: how long each server is measured, five or ten times over\n");
            return 2;
        }
    }
    catch (const std::exception& e) {
        fmt::print(stderr, "tandem-services: {}\n", e.what());
        return 1;
    }
}
