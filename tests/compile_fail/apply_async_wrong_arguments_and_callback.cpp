// expect: apply_async\(f, args\(a\.\.\.\)\): f must be callable with copies of the arguments
#include <tandem/pool/thread_pool.hpp>

int main()
{
    tandem::thread_pool pool{1};
    pool.apply_async([](int n) { return n; }, tandem::args(1, 2), [](int) {});
}
