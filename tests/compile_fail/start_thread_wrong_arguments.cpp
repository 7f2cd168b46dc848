// expect: start_thread\(f, args\(a\.\.\.\)\): f must be callable with copies of the arguments
#include <tandem/pool/start_thread.hpp>

int main()
{
    tandem::start_thread([](int n) { return n; }, tandem::args("a string"));
}
