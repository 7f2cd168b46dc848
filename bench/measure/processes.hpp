#pragma once

#include "styles.hpp"

#include <cstddef>
#include <memory>

namespace measure {

/// The blocking verbs over worker processes.
[[nodiscard]] std::unique_ptr<style> make_processes(std::size_t n);

} // namespace measure
