// Workers that user code keeps for too long are reported. No test waits for a time to pass but those that show that nothing is reported:
// who blocks does so until the report has come. A busy machine may make a report of any step, since a worker that has no processor is
// blocked too. So each test looks only for those of the step that it blocks, and what must not be reported has to come out so once of many
// times.
#include "support/threads.hpp"

#include <tandem/combine/task_scope.hpp>
#include <tandem/combine/when_all.hpp>
#include <tandem/pool/co_spawn.hpp>
#include <tandem/pool/thread_pool.hpp>
#include <tandem/sync/sleep.hpp>
#include <tandem/task/blocking.hpp>
#include <tandem/task/inherit.hpp>
#include <tandem/trace/observer.hpp>

#include <asio/post.hpp>
#include <asio/thread_pool.hpp>
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <iterator>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

using namespace tandem;
using namespace tandem::test;
using namespace std::chrono_literals;

namespace {

constexpr auto limit = 2ms;

struct report {
    std::string pool, task, function;
    source_line line;
    std::chrono::nanoseconds blocked_for;
};

/// Keeps the reports.
class recorder final : public observer {
public:
    recorder() : before_(set_observer(this)) {}
    ~recorder() override { set_observer(before_); }

    void worker_stalled(const blocked_worker& b) noexcept override
    {
        const std::lock_guard lock(m_);
        reports_.push_back({std::string(b.pool), std::string(b.task),
            std::string(b.function) + b.line.function(), // one of them is empty
            b.line, b.blocked_for});
    }
    [[nodiscard]] std::vector<report> of(const std::string& who)
    {
        const std::lock_guard lock(m_);
        std::vector<report> found;
        std::copy_if(reports_.begin(), reports_.end(), std::back_inserter(found),
            [&](const report& r) { return r.task == who || r.function.find(who) != std::string::npos; });
        return found;
    }
    [[nodiscard]] std::size_t of_nobody()
    {
        const std::lock_guard lock(m_);
        return static_cast<std::size_t>(std::count_if(
            reports_.begin(), reports_.end(), [](const report& b) { return b.task.empty() && b.function.empty() && !b.line; }));
    }
    /// Keeps this thread until so many of them have come.
    bool block_until_reported(const std::string& who, std::size_t times = 1)
    {
        return eventually([&] { return of(who).size() >= times; });
    }

private:
    observer* const before_;
    std::mutex m_;
    std::vector<report> reports_;
};

template <class F>
bool once_of_many_times(F f)
{
    for (int k = 0; k < 100; ++k)
        if (f())
            return true;
    return false;
}

task<> blocks_at_once(recorder& r, std::string who)
{
    CHECK(r.block_until_reported(who));
    co_return;
}

task<> blocks_later(recorder& r, std::string who, unsigned& line)
{
    co_await sleep_for(1us);
    line = __LINE__ + 1;
    co_await tandem::yield(); // always suspends, where a sleep may be over before it begins
    CHECK(eventually([&] {    // for this step: one before it may have been reported, too
        const auto reports = r.of(who);
        return std::any_of(reports.begin(), reports.end(), [&](const report& found) { return found.line.line() == line; });
    }));
}

struct blocks_as_a_function {
    void operator()() const
    {
        CHECK(r.block_until_reported("blocks_as_a_function", times));
        std::this_thread::sleep_for(10 * limit); // it is not reported again
    }
    recorder& r;
    std::size_t times;
};

} // namespace

TEST_CASE("a function that keeps its worker is reported by its type, once each time")
{
    recorder r;
    thread_pool pool{{.threads = 2, .name = "slow", .report_blocked_after = limit}};
    for (std::size_t times = 1; times <= 2; ++times) {
        const blocks_as_a_function f{r, times};
        pool.apply(f);
        const auto reports = r.of("blocks_as_a_function");
        REQUIRE(reports.size() == times);
        CHECK(reports.back().pool == "slow");
        CHECK(reports.back().blocked_for >= limit);
        CHECK_FALSE(reports.back().line);
        CHECK(reports.back().function.find("bound_call") == std::string::npos);
    }
}

TEST_CASE("a task that keeps its worker is reported by its name and its last co_await")
{
    recorder r;
    thread_pool pool{{.threads = 1, .report_blocked_after = limit}};
    unsigned line = 0;
    sync_wait(pool, named("reader", blocks_later(r, "reader", line)));
    std::vector<report> reports = r.of("reader");
    std::erase_if(reports, [&](const report& found) { return found.line.line() != line; });
    REQUIRE(reports.size() == 1);
    CHECK(reports[0].task == "reader");
    CHECK(reports[0].line.function() == "blocks_later");
}

TEST_CASE("a task that blocks before its first co_await is reported by where it begins, however it was started")
{
    recorder r;
    thread_pool pool{{.threads = 2, .report_blocked_after = limit}};
    sync_wait(pool, blocks_at_once(r, "blocks_at_once"));
    CHECK(r.of("blocks_at_once").size() >= 1);

    sync_wait(pool,
        when_all(sleep_for(1us), [&]() -> task<> { co_await tandem::yield(); }(), named("child", blocks_at_once(r, "child"))));
    sync_wait(pool, with_scope([&](task_scope& s) -> task<> {
        s.spawn(named("spawned", blocks_at_once(r, "spawned")));
        co_return;
    }));
    CHECK(r.of("spawned").size() >= 1);
}

TEST_CASE("who blocks in a verb of the library's, or says so, is not reported")
{
    const auto outer = [](thread_pool& p, recorder& rec) -> task<> {
        co_await tandem::yield();
        co_spawn(p, named("inner", blocks_at_once(rec, "inner"))).get();
        {
            const blocking_section section;
            const blocking_section nested;
            std::this_thread::sleep_for(10 * limit);
        }
    };
    CHECK(once_of_many_times([&] {
        recorder r;
        thread_pool pool{{.threads = 1, .report_blocked_after = limit}};
        sync_wait(pool, named("outer", outer(pool, r)));
        CHECK_FALSE(r.of("inner").empty());
        return r.of("outer").empty();
    }));
}

TEST_CASE("a handler of Asio's that says it blocks leaves no step behind that never ends")
{
    CHECK(once_of_many_times([] {
        recorder r;
        thread_pool pool{{.threads = 1, .report_blocked_after = limit}};
        std::atomic<bool> called = false;
        asio::post(pool.context(), [&] {
            const blocking_section section;
            called = true;
        });
        CHECK(eventually([&] { return called.load(); }));
        std::this_thread::sleep_for(10 * limit); // idle
        pool.close();
        pool.join();
        return r.of_nobody() == 0;
    }));
}

TEST_CASE("without the option nothing is watched, and an option out of range is refused")
{
    recorder r;
    thread_pool pool{1};
    pool.apply([] { std::this_thread::sleep_for(10 * limit); });
    CHECK(r.of("").empty());
    CHECK_THROWS_WITH_AS(thread_pool({.threads = 1, .report_blocked_after = -1ns}),
        "thread_pool: report_blocked_after must be 0 or more, not -1 ns", std::invalid_argument);
}

TEST_CASE("the default is a line on standard error")
{
    FILE* const file = std::tmpfile();
    REQUIRE(file);
    std::fflush(stderr);
    const int saved = dup(2);
    dup2(fileno(file), 2);
    observer plain;
    plain.worker_stalled({.pool = "cpu", .worker = 1, .blocked_for = 120ms, .task = "reader", .line = {}, .function = {}});
    plain.worker_stalled({.pool = "cpu", .worker = 0, .blocked_for = 2s, .task = {}, .line = {}, .function = "f"});
    std::fflush(stderr);
    dup2(saved, 2);
    close(saved);
    char text[512] = {};
    std::rewind(file);
    const std::size_t n = std::fread(text, 1, sizeof text - 1, file);
    std::fclose(file);
    CHECK(std::string(text, n) == "tandem: pool 'cpu': worker 1 has been blocked for 0.12 s by task \"reader\"\n"
                                  "tandem: pool 'cpu': worker 0 has been blocked for 2 s by a call of f\n");
}
