// A function as a job, for tests that drive queues and contexts directly.
#pragma once

#include <tandem/task/context.hpp>
#include <tandem/task/job.hpp>

#include <utility>

namespace tandem::test {

/// Queues `f` on `c`. One allocation; it is gone once it has run.
template <class F>
void post(context& c, F f)
{
    struct function_job final : job {
        explicit function_job(F&& g) : job(&run), f(std::move(g)) {}
        static void run(job* j) noexcept
        {
            auto* const self = static_cast<function_job*>(j);
            F g = std::move(self->f);
            delete self;
            g();
        }
        F f;
    };
    c.post(*new function_job(std::move(f)));
}

} // namespace tandem::test
