#pragma once

#include "options.hpp"

#include <cstdio>
#include <string>
#include <vector>

namespace measure {

/// What one run cost.
struct sample {
    double wall; // seconds
    double cpu;  // seconds, of all threads and processes that did the work
};

/// All runs of one workload in one style.
struct row {
    std::string style;
    std::string title;
    std::size_t workers;
    std::vector<sample> samples;

    // From the medians. speed_up is over the first row of the workload; cpu_use is CPU seconds per second.
    double wall = 0;
    double speed_up = 0;
    double cpu_use = 0;
};

struct section {
    std::string workload;
    std::string title;
    std::vector<row> rows; // the first is one by one
};

struct machine {
    std::string cpu;
    std::size_t cores;
    std::string system;
    std::string compiler;
    std::string asio;
};
[[nodiscard]] machine this_machine();

/// CPU seconds that all programs on this machine have used since it started; 0 where it does not say.
[[nodiscard]] double cpu_seconds_of_all();

/// Fills in what is derived from the samples.
void summarise(std::vector<section>& sections);

void print_table(std::FILE* out, const machine& m, const options& o, const std::vector<section>& sections);

/// One sentence per workload: whether it waits or computes, and which styles suit it. Derived from the figures alone. The last
/// argument is how many cores other programs kept busy meanwhile; if it is much, that is said too.
void print_findings(std::FILE* out, const std::vector<section>& sections, double cores_of_others);

/// Everything, as one JSON object.
void write_json(std::FILE* out, const machine& m, const options& o, const std::vector<section>& sections, double cores_of_others);

} // namespace measure
