// expect: the callback must be callable with a reference to the result
#include <tandem/pool/start_thread.hpp>

int main()
{
    tandem::start_thread([](int n) { return n; }, tandem::args(1), [](const char*) {});
}
