// expect: an item of this range cannot cross to a worker process: pointers and views do not; give the type a cereal `serialize`, or specialise tandem::codec
#include <tandem/process/process_pool.hpp>

int main()
{
    int n = 1;
    tandem::process_pool pool{1};
    pool.map([](int* p) { return *p; }, std::vector<int*>{&n});
}
