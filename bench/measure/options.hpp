#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>

namespace measure {

struct options {
    std::size_t workers; // one per core
    std::size_t items;
    std::size_t repeat = 3;
    std::chrono::milliseconds latency{20};
    bool python = false; // Python's pools too
    std::string json;    // a file; empty: none

    options();
};

struct bad_option : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// What the command line says, or nothing when it asked for help, which then has been printed. Throws bad_option.
[[nodiscard]] std::optional<options> read_options(int argc, char** argv);

} // namespace measure
