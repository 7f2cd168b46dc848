#include "processes.hpp"

#include <tandem/process/process_pool.hpp>

#include <fmt/core.h>

#include <time.h>

#include <utility>

template <>
struct tandem::codec<measure::item> : tandem::bytes_codec<measure::item> {};

namespace measure {

namespace {

class processes final : public style {
public:
    explicit processes(std::size_t n) : style("processes", n == 1 ? "1 process" : fmt::format("{} processes", n), n), pool_(n) {}

    answers run(const workload& w) override
    {
        const double before = cpu_seconds();
        answers a{.values = pool_.map(w.blocking, w.items)};
        a.cpu_seconds_elsewhere = cpu_seconds() - before;
        return a;
    }

private:
    /// Of the workers, so far.
    [[nodiscard]] double cpu_seconds() const
    {
        double sum = 0;
        for (const int pid : pool_.pids()) {
            clockid_t clock{};
            timespec t{};
            if (clock_getcpuclockid(pid, &clock) == 0 && clock_gettime(clock, &t) == 0)
                sum += static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
        }
        return sum;
    }

    tandem::process_pool pool_;
};

} // namespace

std::unique_ptr<style> make_processes(std::size_t n) { return std::make_unique<processes>(n); }

} // namespace measure
