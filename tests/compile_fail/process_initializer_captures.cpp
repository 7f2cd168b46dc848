// expect: this function cannot cross to a worker process: it must be a function pointer, a lambda without captures or an empty function object; pass what a lambda captures as an argument
#include <tandem/process/process_pool.hpp>

int main()
{
    int n = 1;
    tandem::process_pool pool({.processes = 1, .initializer = [n] { static_cast<void>(n); }});
}
