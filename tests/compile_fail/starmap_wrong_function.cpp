// expect: starmap\(f, range\): f must be callable with the elements of a tuple of the range
#include <tandem/pool/thread_pool.hpp>

#include <utility>
#include <vector>

int main()
{
    tandem::thread_pool pool{1};
    pool.starmap([](int a, int b, int c) { return a + b + c; }, std::vector{std::pair(1, 2)});
}
