// The facade suite over a process_pool.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wsubobject-linkage" // the suite's lambdas are this program's own, though they stand in a header
#endif

#include "support.hpp"

#include <tandem/process/process_pool.hpp>

#include <string>
#include <utility>

namespace {

struct pools {
    static constexpr const char* no_workers = "process_pool: processes must be between 1 and 1024, not 0";

    static tandem::process_pool make(
        std::size_t workers, std::string name = "crew", tandem::unique_function<void(std::exception_ptr)> unhandled = {})
    {
        return tandem::process_pool({.processes = workers, .name = std::move(name), .unhandled = std::move(unhandled)});
    }
};

} // namespace

#include "pool/facade_suite.hpp"
