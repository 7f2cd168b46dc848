// expect: this cannot be awaited in a task
#include <tandem/task/task.hpp>

tandem::task<int> f() { co_return co_await 5; }
