// What most tests include, precompiled for each of their programs (see tests/meson.build). Each file includes what it uses all the same.
#include <tandem/pool/thread_pool.hpp>

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>
