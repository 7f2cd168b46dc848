// expect: co_await it, or co_spawn it
#include <tandem/combine/when_all.hpp>

#pragma GCC diagnostic error "-Wunused-result" // as under --werror

tandem::task<int> answer() { co_return 42; }

void forgets() { tandem::when_all(answer(), answer()); }
