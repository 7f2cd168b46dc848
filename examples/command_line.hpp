// The command lines of the examples: `--name value` pairs. --help prints the usage; a wrong argument prints it and ends with 2.
#pragma once

#include <fmt/core.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string>
#include <string_view>
#include <type_traits>

template <class T>
struct option {
    std::string_view name;
    T& value; // where the default is, and where the argument goes
    double least = 0;
    double most = 0;
    static constexpr bool is_number = !std::is_same_v<T, std::string>;

    // False when `text` is no number, or out of range.
    bool read(const std::string& text) const
    {
        if constexpr (!is_number) {
            value = text;
            return true;
        }
        else {
            std::istringstream in(text);
            double number = 0;
            if (!(in >> number) || in.peek() != std::istringstream::traits_type::eof() || number < least || number > most)
                return false;
            value = static_cast<T>(number);
            return static_cast<double>(value) == number;
        }
    }
};
template <class T>
option(std::string_view, T&, double, double) -> option<T>;
option(std::string_view, std::string&) -> option<std::string>;

template <class... T>
void read_command_line(int argc, char** argv, const option<T>&... options)
{
    const std::string program = std::filesystem::path(argv[0]).filename().string();
    std::string usage = "usage: " + program;
    ((usage += fmt::format(" [{} {}]", options.name, option<T>::is_number ? "N" : "WORD")), ...);
    const auto fail = [&](const std::string& why) {
        fmt::print(stderr, "{}: {}\n{}\n", program, why, usage);
        std::exit(2);
    };
    for (int i = 1; i < argc; i += 2) {
        const std::string_view name = argv[i];
        if (name == "--help" || name == "-h") {
            fmt::print("{}\n", usage);
            std::exit(0);
        }
        [[maybe_unused]] const auto accept = [&](const auto& o) {
            if (o.name != name)
                return false;
            if (i + 1 == argc)
                fail(fmt::format("{} needs a {} after it", name, o.is_number ? "number" : "word"));
            if (!o.read(argv[i + 1]))
                fail(fmt::format("{} takes a number from {} to {}, not '{}'", name, o.least, o.most, argv[i + 1]));
            return true;
        };
        if (!(accept(options) || ...))
            fail(fmt::format("there is no option '{}'", name));
    }
}
