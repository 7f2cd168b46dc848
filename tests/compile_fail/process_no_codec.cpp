// expect: an argument cannot cross to a worker process: pointers, references \(std::ref\) and views do not; pass a value, and give its type a cereal `serialize`, or specialise tandem::codec
#include <tandem/process/process_pool.hpp>

struct plain {
    int a;
};

int main()
{
    tandem::process_pool pool{1};
    pool.apply([](plain p) { return p.a; }, plain{1});
}
