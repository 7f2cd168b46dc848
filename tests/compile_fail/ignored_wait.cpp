// expect: co_await it
#include <tandem/sync/mutex.hpp>

#pragma GCC diagnostic error "-Wunused-result" // as under --werror

void forgets(tandem::mutex& m) { m.lock(); }
