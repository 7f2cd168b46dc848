// expect: the callback must be callable with a reference to the result
#include <tandem/pool/thread_pool.hpp>

#include <vector>

int main()
{
    tandem::thread_pool pool{1};
    pool.map_async([](int n) { return n; }, std::vector{1, 2, 3}, [](int) {}); // gets the whole vector, not each result
}
