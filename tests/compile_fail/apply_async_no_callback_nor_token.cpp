// expect: must be a callback that takes the result, or an Asio completion token for void\(std::exception_ptr, R\)
#include <tandem/pool/thread_pool.hpp>

int main()
{
    tandem::thread_pool pool{1};
    pool.apply_async([](int n) { return n; }, tandem::args(1), [](const char*) {});
}
