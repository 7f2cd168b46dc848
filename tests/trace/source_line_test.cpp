#include <tandem/task/task.hpp>
#include <tandem/task/waiting.hpp>
#include <tandem/trace/source_line.hpp>

#include <doctest/doctest.h>

#include <map>
#include <string>

using namespace tandem;

namespace named_scope {

source_line here(const void* place = TANDEM_HERE) { return source_line(place); }

namespace {

struct thing {
    source_line method(const std::map<int, std::string>&) const { return here(); }
    source_line operator()(int) const { return here(); }
};
template <class T>
source_line of_template(T)
{
    return here();
}
std::map<int, source_line> with_a_long_result() { return {{1, here()}}; }

} // namespace

source_line elsewhere() { return here(); }

} // namespace named_scope

TEST_CASE("a place has the file, the line and the function, without parameters, results and unnamed namespaces")
{
    using namespace named_scope;
    const source_line l = here();
    const unsigned line = __LINE__ - 1;
    CHECK(l);
    CHECK(l.line() == line);
    CHECK(std::string(l.file()) == __FILE__);
    CHECK(l == source_line(l));
    CHECK(elsewhere().function() == "named_scope::elsewhere");
    CHECK(thing{}.method({}).function() == "named_scope::thing::method");
    CHECK(thing{}(1).function() == "named_scope::thing");
    CHECK(of_template(std::map<int, char>{}).function() == "named_scope::of_template");
    CHECK(with_a_long_result()[1].function() == "named_scope::with_a_long_result");
    CHECK(elsewhere().text().starts_with("named_scope::elsewhere ("));
    CHECK(elsewhere().text().ends_with("source_line_test.cpp:31)"));
    const auto lambda = [](int) { return here(); };
    CHECK(lambda(1).function().find("operator()") == std::string::npos);
}

TEST_CASE("no place")
{
    const source_line none;
    CHECK_FALSE(none);
    CHECK(none.line() == 0);
    CHECK(none.function().empty());
    CHECK(std::string(none.file()).empty());
    CHECK(none.text() == "somewhere");
}

TEST_CASE("a job and a completion of an unknown kind tell nothing")
{
    struct unknown : job, completion {
        unknown()
            : job([](job*) noexcept {}), completion([](completion*, const std::exception_ptr&) noexcept -> std::coroutine_handle<> {
                return std::noop_coroutine();
            })
        {
        }
    } u;
    CHECK_FALSE(detail::job_kind::describe(u).task);
    CHECK(detail::job_kind::describe(u).waits_for == nullptr);
    CHECK_FALSE(detail::completion_kind::describe(u).parent);
    CHECK(detail::completion_kind::describe(u).combinator == nullptr);
}
