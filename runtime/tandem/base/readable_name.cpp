#include <tandem/base/readable_name.hpp>

#include <cstdlib>
#include <memory>

#if defined(__GNUC__)
#include <cxxabi.h>
#endif

namespace tandem::detail {

std::string readable_name(const char* mangled)
{
#if defined(__GNUC__)
    int status = 0;
    const std::unique_ptr<char, void (*)(void*)> name(abi::__cxa_demangle(mangled, nullptr, nullptr, &status), &std::free);
    if (name)
        return name.get();
#endif
    return mangled;
}

} // namespace tandem::detail
