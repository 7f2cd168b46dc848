// expect: an argument cannot cross to a worker process: pointers, references \(std::ref\) and views do not; pass a value, and give its type a cereal `serialize`, or specialise tandem::codec
#include <tandem/process/process_pool.hpp>

#include <functional>

int main()
{
    int n = 1;
    tandem::process_pool pool{1};
    pool.apply_async([](int& p) { p = 2; }, tandem::args(std::ref(n)));
}
