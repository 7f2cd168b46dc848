// expect: this can be awaited once only, and so as an rvalue: co_await std::move\(x\)
#include <tandem/combine/when_all.hpp>

tandem::task<int> answer() { co_return 42; }

tandem::task<void> both()
{
    auto all = tandem::when_all(answer(), answer());
    co_await all;
}
