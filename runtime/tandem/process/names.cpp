#include <tandem/base/readable_name.hpp>
#include <tandem/process/detail/names.hpp>

#include <dlfcn.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>

namespace tandem::detail {

std::string function_name(const char* type, const unsigned char* bytes)
{
    if (type[0] != 'P') // in the C++ ABI's mangling, a pointer's
        return readable_name(type);
    void* address = nullptr;
    std::memcpy(&address, bytes, sizeof address);
    Dl_info where{};
    if (::dladdr(address, &where) == 0 || !where.dli_fname)
        return "the function at an address of no module";
    if (where.dli_sname && where.dli_saddr == address)
        return readable_name(where.dli_sname);
    char offset[24];
    std::snprintf(offset, sizeof offset, "+0x%zx",
        static_cast<std::size_t>(reinterpret_cast<std::uintptr_t>(address) - reinterpret_cast<std::uintptr_t>(where.dli_fbase)));
    const std::string_view file = where.dli_fname;
    return "the function at " + std::string(file.substr(file.rfind('/') + 1)) + offset;
}

} // namespace tandem::detail
