// expect: apply\(f, a\.\.\.\): f must be callable with copies of the arguments; pass std::ref\(x\) where it takes a non-const reference
#include <tandem/pool/thread_pool.hpp>

int main()
{
    tandem::thread_pool pool{1};
    pool.apply([](int n) { return n; }, "a string");
}
