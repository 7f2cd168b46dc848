// One suite for every kind of pool. The file that includes this defines, before that and in its anonymous namespace:
//
//     struct pools {
//         static constexpr const char* no_workers = "…"; // what it says when it is asked for none
//         static … make(std::size_t workers, std::string name = "crew", unique_function<void(std::exception_ptr)> unhandled = {});
//     };
//
// What is given to a pool here may cross to another process: functions and captureless lambdas, std types as arguments and results.
// A call that must not end yet waits at a FIFO. Callbacks, progress and the `unhandled` hook run in this process.
#pragma once

#include "facade/apply.hpp"
#include "facade/bad_arguments.hpp"
#include "facade/end.hpp"
#include "facade/handle.hpp"
#include "facade/imap.hpp"
#include "facade/map.hpp"
