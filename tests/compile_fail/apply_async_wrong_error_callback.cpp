// expect: the error callback must be callable with a std::exception_ptr
#include <tandem/pool/thread_pool.hpp>

int main()
{
    tandem::thread_pool pool{1};
    pool.apply_async([](int n) { return n; }, tandem::args(1), [](int) {}, [](const char*) {});
}
