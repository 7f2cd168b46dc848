// expect: an argument cannot cross to a worker process: pointers, references \(std::ref\) and views do not; pass a value, and give its type a cereal `serialize`, or specialise tandem::codec
#include <tandem/process/process_pool.hpp>

#include <string_view>

int main()
{
    tandem::process_pool pool{1};
    pool.apply([](std::string_view s) { return s.size(); }, std::string_view("x"));
}
