// The smallest tasks there are.
#pragma once

#include "manual_context.hpp"

#include <tandem/task/task.hpp>

#include <string>
#include <utility>

namespace tandem::test {

inline task<int> number(int n) { co_return n; }
inline task<std::string> text(std::string s) { co_return s; }
inline task<> nothing() { co_return; }

template <class T>
task<T> after_a_yield(manual_context& manual, T value)
{
    co_await manual.yield();
    co_return value;
}

} // namespace tandem::test
