#include <tandem/base/errc.hpp>

#include <doctest/doctest.h>

#include <exception>
#include <ostream>
#include <string>
#include <type_traits>

using namespace tandem;

TEST_CASE("an errc is an error_code of the category tandem")
{
    const std::error_code code = errc::pool_closed;
    CHECK(code);
    CHECK(code == errc::pool_closed);
    CHECK(code != errc::timeout);
    CHECK(code.category() == tandem_category());
    CHECK(std::string{code.category().name()} == "tandem");
    CHECK(code.message() == "the pool is closed");
}

TEST_CASE("codes compare equal to the standard's conditions")
{
    const std::error_code cancelled = errc::operation_cancelled;
    CHECK(cancelled == std::errc::operation_canceled);
    const std::error_code timeout = errc::timeout;
    CHECK(timeout == std::errc::timed_out);
    CHECK(timeout != std::errc::operation_canceled);
    const std::error_code deadlock = errc::would_deadlock;
    CHECK(deadlock == std::errc::resource_deadlock_would_occur);
    const std::error_code no_receiver = errc::channel_closed;
    CHECK(no_receiver == std::errc::broken_pipe);

    const std::error_code closed = errc::pool_closed;
    CHECK(closed.default_error_condition().category() == tandem_category());
}

TEST_CASE("every code has a message, and a number that is none says so")
{
    for (const errc e : {errc::pool_closed, errc::operation_cancelled, errc::timeout, errc::would_deadlock, errc::channel_closed}) {
        CHECK_FALSE(make_error_code(e).message().empty());
        CHECK(make_error_code(e).message().find("unknown") == std::string::npos);
    }
    CHECK(tandem_category().message(99) == "unknown tandem error 99");
}

TEST_CASE_TEMPLATE("an exception says what was being done and what was wrong", E, pool_closed, operation_cancelled, timeout_error,
    would_deadlock, channel_closed)
{
    const std::string wrong = E{}.code().message();
    CHECK(std::string{E{}.what()} == wrong);

    SUBCASE("of a few words, what() makes a sentence")
    {
        CHECK(std::string{E{"apply_async"}.what()} == "apply_async: " + wrong);
        CHECK(std::string{E{std::string{"tandem::apply"}}.what()} == "tandem::apply: " + wrong);
        CHECK(std::string{E{""}.what()} == wrong);
    }
    SUBCASE("a whole sentence stands as it is")
    {
        const char* const whole = "apply_async: the pool 'cpu' is closed";
        CHECK(std::string{E{whole}.what()} == whole);
    }
}

TEST_CASE("exceptions are caught by type, as tandem::error, and as std::system_error")
{
    CHECK_THROWS_AS(throw timeout_error{"get_for"}, timeout_error);
    CHECK_THROWS_AS(throw timeout_error{"get_for"}, error);
    try {
        throw would_deadlock{"get"};
    }
    catch (const std::system_error& e) {
        CHECK(e.code() == errc::would_deadlock);
        CHECK(e.code() == std::errc::resource_deadlock_would_occur);
        CHECK(std::string{e.what()}.rfind("get: ", 0) == 0);
    }
    CHECK(pool_closed{}.code() == errc::pool_closed);
    CHECK(operation_cancelled{}.code() == errc::operation_cancelled);
    CHECK(timeout_error{}.code() == errc::timeout);
    CHECK(channel_closed{}.code() == errc::channel_closed);
}

TEST_CASE("a copy of an exception has its text, and making one cannot throw")
{
    static_assert(std::is_nothrow_copy_constructible_v<pool_closed>);
    static_assert(std::is_nothrow_copy_assignable_v<timeout_error>);
    std::exception_ptr kept;
    {
        const pool_closed original{"map: the pool 'io' is closed"};
        kept = std::make_exception_ptr(original);
    }
    CHECK_THROWS_WITH_AS(std::rethrow_exception(kept), "map: the pool 'io' is closed", pool_closed);
}
