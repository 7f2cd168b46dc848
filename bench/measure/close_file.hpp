#pragma once

#include <cstdio>
#include <memory>

namespace measure {

struct close_file {
    void operator()(std::FILE* f) const noexcept { std::fclose(f); }
};
using file = std::unique_ptr<std::FILE, close_file>;

} // namespace measure
