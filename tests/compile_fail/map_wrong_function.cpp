// expect: map\(f, range\): f must be callable with an item of the range
#include <tandem/pool/thread_pool.hpp>

#include <string>
#include <vector>

int main()
{
    tandem::thread_pool pool{1};
    pool.map([](int n) { return n; }, std::vector<std::string>{"a", "b"});
}
