#include <tandem/task/context.hpp>

#include <cstdio>

namespace tandem {

error_sink::~error_sink() = default;

void error_sink::report(const std::exception_ptr& error) noexcept
{
    try {
        std::rethrow_exception(error);
    }
    catch (const std::exception& e) {
        std::fprintf(stderr, "tandem: unhandled exception: %s\n", e.what());
    }
    catch (...) {
        std::fputs("tandem: unhandled exception of a type not derived from std::exception\n", stderr);
    }
}

error_sink& context::unhandled() noexcept
{
    // Never destroyed: a task may end while the program's statics do.
    struct default_sink final : error_sink {};
    static error_sink* const sink = new default_sink;
    return *sink;
}

environment& detached_environment() noexcept
{
    struct inline_context final : context {
        void post(job& j) noexcept override { j.execute(); }
    };
    static inline_context ctx;
    static environment env{ctx, stop_token{}};
    return env;
}

} // namespace tandem
