#pragma once

#include "styles.hpp"

#include <cstddef>
#include <memory>
#include <vector>

namespace measure {

/// Python's multiprocessing.dummy.Pool and multiprocessing.Pool, in a python3 of their own; none where there is no python3.
[[nodiscard]] std::vector<std::unique_ptr<style>> make_python(std::size_t n);

} // namespace measure
