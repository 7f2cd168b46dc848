// The facade suite over a thread_pool.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wsubobject-linkage" // the suite's lambdas are this program's own, though they stand in a header
#endif

#include <tandem/pool/thread_pool.hpp>

#include <string>
#include <utility>

namespace {

struct pools {
    static constexpr const char* no_workers = "thread_pool: threads must be between 1 and 1024, not 0";

    static tandem::thread_pool make(
        std::size_t workers, std::string name = "crew", tandem::unique_function<void(std::exception_ptr)> unhandled = {})
    {
        return tandem::thread_pool({.threads = workers, .name = std::move(name), .unhandled = std::move(unhandled)});
    }
};

} // namespace

#include "facade_suite.hpp"
