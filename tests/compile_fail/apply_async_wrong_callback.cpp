// expect: the callback must be callable with a reference to the result, or with nothing when the result is void
#include <tandem/pool/thread_pool.hpp>

int main()
{
    tandem::thread_pool pool{1};
    pool.apply_async([](int n) { return n; }, tandem::args(1), [](const char*) {}, [](std::exception_ptr) {});
}
