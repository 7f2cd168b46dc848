// expect: imap\(f, range\): f must be callable with an item of the range
#include <tandem/pool/thread_pool.hpp>

#include <vector>

int main()
{
    tandem::thread_pool pool{1};
    pool.imap([](const char* s) { return s; }, std::vector{1, 2, 3});
}
