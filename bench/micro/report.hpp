#pragma once

#include <benchmark/benchmark.h>

#include <map>
#include <string>
#include <vector>

namespace bench {

/// Prints in the end the times per operation, the ratios of what is compared, and whether the targets of the design are met.
class reporter final : public benchmark::BenchmarkReporter {
public:
    bool ReportContext(const Context& context) override;
    void ReportRuns(const std::vector<Run>& runs) override;
    void Finalize() override;

    [[nodiscard]] bool failed() const noexcept { return failed_; }

private:
    struct result {
        std::vector<double> wall; // nanoseconds per operation, one of each repetition
        std::vector<double> cpu;  // of the whole process
        std::map<std::string, double> counters;
    };

    void print_times() const;
    void print_ratios() const;
    void print_lateness() const;
    void print_respawn() const;

    std::map<std::string, result> results_;
    bool failed_ = false;
};

} // namespace bench
