// expect: map_async\(f, range\): f must be callable with a copy of an item of the range, as an lvalue
#include <tandem/pool/thread_pool.hpp>

#include <memory>
#include <vector>

int main()
{
    tandem::thread_pool pool{1};
    pool.map_async([](std::unique_ptr<int> p) { return *p; }, std::vector<std::unique_ptr<int>>(3));
}
