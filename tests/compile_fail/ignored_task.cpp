// expect: a task does nothing until you co_await it or co_spawn it
#include <tandem/task/task.hpp>

#pragma GCC diagnostic error "-Wunused-result" // as under --werror

tandem::task<int> answer() { co_return 42; }

void forgets() { answer(); }
