// What the tests of I/O share.
#pragma once

#include <tandem/io/sleep.hpp>
#include <tandem/task/task.hpp>

#include <chrono>
#include <stdexcept>

namespace tandem::test {

inline task<int> number_later(int n)
{
    co_await sleep_for(std::chrono::milliseconds(1));
    co_return n;
}

inline task<int> failing_later()
{
    co_await sleep_for(std::chrono::milliseconds(1));
    throw std::out_of_range("far");
}

} // namespace tandem::test
