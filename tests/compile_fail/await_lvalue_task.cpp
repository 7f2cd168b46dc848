// expect: this can be awaited once only, and so as an rvalue: co_await std::move\(x\)
#include <tandem/task/task.hpp>

tandem::task<int> answer() { co_return 42; }

tandem::task<int> twice()
{
    auto t = answer();
    co_return co_await t;
}
