// The program of these tests starts the fork server first thing in main, as a user's does; doctest's main calls this.
#include <tandem/process/process_server.hpp>

#include <doctest/doctest.h>

namespace {

struct start_server : doctest::IReporter {
    explicit start_server(const doctest::ContextOptions&) {}

    void test_run_start() override { tandem::process_server::start(); }

    void report_query(const doctest::QueryData&) override {}
    void test_run_end(const doctest::TestRunStats&) override {}
    void test_case_start(const doctest::TestCaseData&) override {}
    void test_case_reenter(const doctest::TestCaseData&) override {}
    void test_case_end(const doctest::CurrentTestCaseStats&) override {}
    void test_case_exception(const doctest::TestCaseException&) override {}
    void subcase_start(const doctest::SubcaseSignature&) override {}
    void subcase_end() override {}
    void log_assert(const doctest::AssertData&) override {}
    void log_message(const doctest::MessageData&) override {}
    void test_case_skipped(const doctest::TestCaseData&) override {}
};
REGISTER_LISTENER("start_server", 1, start_server);

} // namespace
