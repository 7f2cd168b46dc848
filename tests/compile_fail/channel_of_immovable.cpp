// expect: T must be a type of movable objects
#include <tandem/sync/channel.hpp>

#include <atomic>

void opens() { tandem::channel<std::atomic<int>> c{1}; }
