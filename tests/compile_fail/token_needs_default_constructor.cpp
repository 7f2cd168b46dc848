// expect: a completion token needs a result with a default constructor, to pass beside an error; use a callback or the handle
#include <tandem/io/completion_token.hpp>
#include <tandem/pool/thread_pool.hpp>

struct no_default {
    explicit no_default(int) {}
};

int main()
{
    tandem::thread_pool pool{1};
    pool.apply_async([] { return no_default(1); }, {}, [](std::exception_ptr, no_default) {});
}
