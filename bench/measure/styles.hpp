#pragma once

#include "workloads.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace measure {

/// What one run of a workload gave.
struct answers {
    std::vector<std::uint64_t> values; // one per item, in their order
    double cpu_seconds_elsewhere = 0;  // used by the run, but not by this process
};

/// A way to run a workload. Its pool, if it has one, is made once and serves every run.
class style {
public:
    style(std::string name, std::string title, std::size_t workers)
        : name_(std::move(name)), title_(std::move(title)), workers_(workers)
    {
    }
    virtual ~style() = default;

    [[nodiscard]] const std::string& name() const noexcept { return name_; }   // a word, for the JSON
    [[nodiscard]] const std::string& title() const noexcept { return title_; } // for the table and in sentences
    [[nodiscard]] std::size_t workers() const noexcept { return workers_; }    // threads or processes

    virtual answers run(const workload& w) = 0;

private:
    std::string name_;
    std::string title_;
    std::size_t workers_;
};

/// To be called first in main, before there is a second thread: a style with processes forks its server here.
void prepare_styles();

/// All styles, first the one that the others are compared with. One more is a class in a file of its own and a line in styles.cpp.
/// `python` adds Python's own pools.
[[nodiscard]] std::vector<std::unique_ptr<style>> make_styles(std::size_t workers, std::size_t items, bool python);

} // namespace measure
