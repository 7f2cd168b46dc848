#include <tandem/combine/race.hpp>
#include <tandem/io/signals.hpp>
#include <tandem/pool/co_spawn.hpp>
#include <tandem/sync/sleep.hpp>
#include <tandem/task/sync_wait.hpp>

#include <asio/io_context.hpp>
#include <asio/signal_set.hpp>
#include <asio/system_error.hpp>
#include <doctest/doctest.h>

#include <chrono>
#include <csignal>

using namespace tandem;
using namespace std::chrono_literals;

namespace {

/// Asio's handler and its pipe, which all contexts share, are there before any thread that raises a signal, and as long: that the handler
/// runs only after sigaction is ordered by the kernel, which ThreadSanitizer does not see.
struct asio_signals {
    asio::io_context ctx;
    asio::signal_set set{ctx};
};

/// Not before somebody waits for it: until then the signal would end the test.
task<> raises(int number)
{
    struct sigaction now{};
    while (sigaction(number, nullptr, &now) == 0 && now.sa_handler == SIG_DFL)
        co_await sleep_for(1ms);
    std::raise(number);
}

task<int> waits()
{
    const int number = co_await wait_signal({SIGUSR1, SIGUSR2});
    co_return number;
}

} // namespace

TEST_CASE("the first of the signals ends the wait and is told, on a pool and in sync_wait")
{
    const asio_signals first;
    thread_pool pool{2};
    for (const int number : {SIGUSR1, SIGUSR2}) {
        auto got = co_spawn(pool, waits());
        auto raised = co_spawn(pool, raises(number));
        CHECK(got.get() == number);
        raised.get();
    }
    auto raised = co_spawn(pool, raises(SIGUSR2));
    CHECK(sync_wait(waits()) == SIGUSR2);
    raised.get();
}

TEST_CASE("a signal that comes before the await is not lost, when the executor was given")
{
    const asio_signals first;
    thread_pool pool{2};
    auto wait = wait_signal(pool, {SIGUSR1});
    std::raise(SIGUSR1);
    CHECK(sync_wait(std::move(wait)) == SIGUSR1);
}

TEST_CASE("after the wait the signal has its default effect again, though the task object is still there")
{
    const asio_signals first;
    thread_pool pool{2};
    const auto check = [](task<int> wait) -> task<> {
        std::raise(SIGUSR1);
        co_await std::move(wait);
        struct sigaction now{};
        CHECK(sigaction(SIGUSR1, nullptr, &now) == 0);
        CHECK((now.sa_handler == SIG_DFL));
    };
    sync_wait(pool, check(wait_signal(pool, {SIGUSR1})));
}

TEST_CASE("the wait can be stopped, and what is no signal is refused")
{
    const asio_signals first;
    thread_pool pool{2};
    CHECK(sync_wait(pool, race(waits(), sleep_for(1ms))).index() == 1);
    CHECK_THROWS_AS(sync_wait(pool, wait_signal({-7})), asio::system_error);
}
