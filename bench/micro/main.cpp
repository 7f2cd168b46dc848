// tandem-bench: Tandem beside raw Asio (and oneTBB, where it is there), in one run. Takes Google Benchmark's arguments.

#include "report.hpp"

#include <tandem/process/process_server.hpp>

#include <benchmark/benchmark.h>

#include <cstdio>
#include <exception>
#include <string_view>
#include <vector>

int main(int argc, char** argv)
{
    tandem::process_server::start(); // before there are threads
    // Repeated, and in random order, so that a busy moment of the machine does not fall on one side of a comparison. What the user
    // says comes later and wins.
    char repetitions[] = "--benchmark_repetitions=5";
    char interleaving[] = "--benchmark_enable_random_interleaving=true";
    std::vector<char*> arguments{argv[0], repetitions, interleaving};
    bool console = true;
    for (int k = 1; k < argc; ++k) {
        arguments.push_back(argv[k]);
        if (const std::string_view a = argv[k]; a.substr(0, 19) == "--benchmark_format=")
            console = a.substr(19) == "console";
    }
    int count = static_cast<int>(arguments.size());
    arguments.push_back(nullptr);
    benchmark::Initialize(&count, arguments.data());
    if (benchmark::ReportUnrecognizedArguments(count, arguments.data()))
        return 2;
    try {
        bench::reporter ours;
        if (console)
            benchmark::RunSpecifiedBenchmarks(&ours);
        else
            benchmark::RunSpecifiedBenchmarks();
        return ours.failed();
    }
    catch (const std::exception& e) {
        std::fprintf(stderr, "tandem-bench: %s\n", e.what());
        return 1;
    }
}
