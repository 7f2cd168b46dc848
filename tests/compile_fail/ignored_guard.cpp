// expect: the lock is given back when the guard goes
#include <tandem/sync/mutex.hpp>

#pragma GCC diagnostic error "-Wunused-result" // as under --werror

void forgets(tandem::mutex& m) { m.try_lock(); }
