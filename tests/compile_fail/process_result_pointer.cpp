// expect: this result cannot cross back from a worker process: pointers and views do not; give the type a cereal `serialize`, or specialise tandem::codec
#include <tandem/process/process_pool.hpp>

int main()
{
    tandem::process_pool pool{1};
    pool.apply([]() -> int* { return nullptr; });
}
