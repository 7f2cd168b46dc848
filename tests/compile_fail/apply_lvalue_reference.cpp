// expect: pass std::ref\(x\) where it takes a non-const reference
#include <tandem/pool/thread_pool.hpp>

int main()
{
    tandem::thread_pool pool{1};
    int n = 1;
    pool.apply([](int& i) { ++i; }, n); // a copy would be incremented, and lost
}
