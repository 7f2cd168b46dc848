// expect: f comes first, and then the range, which must be one that can be read
#include <tandem/pool/thread_pool.hpp>

#include <vector>

int main()
{
    tandem::thread_pool pool{1};
    pool.map(std::vector{1, 2, 3}, [](int n) { return n; }); // as std::ranges::transform has it; Python has the function first
}
