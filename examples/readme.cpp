// What README.md quotes: readme NAME runs the part of that name.
// It stands between `// [name]` and `// [/name]`. tests/readme_test.py compares them, runs the Python beside each, and expects the
// same output.

#include <tandem/tandem.hpp>

#include <fmt/ranges.h>

#include <chrono>
#include <exception>
#include <map>
#include <ranges>
#include <string>
#include <tuple>
#include <vector>

using namespace std::chrono_literals;

namespace {

int square(int n) { return n * n; }

void blocking()
{
    // [blocking]
    tandem::thread_pool pool{4};
    const auto numbers = std::views::iota(0, 10);
    fmt::print("{}\n", pool.apply(square, 7));
    fmt::print("{}\n", pool.map(square, numbers));
    for (int n : pool.imap(square, numbers))
        fmt::print("{} ", n);
    fmt::print("\n");
    // [/blocking]
}

void callbacks()
{
    // [callbacks]
    std::vector<int> squares(10);

    tandem::thread_pool pool{4};
    for (int i = 0; i < 10; ++i) {
        auto keep = [&squares, i](int n) { squares[i] = n; };
        pool.apply_async(square, tandem::args(i), keep);
    }
    pool.close();
    pool.join();
    fmt::print("{}\n", squares);
    // [/callbacks]
}

// [coroutines]
tandem::task<std::string> download(std::string name)
{
    co_await tandem::sleep_for(100ms);
    co_return name + ": done";
}

tandem::task<> download_all()
{
    auto [a, b] = co_await tandem::when_all(download("a"), download("b"));
    fmt::print("{}, {}\n", a, b);
}

void coroutines() { tandem::run(download_all); }
// [/coroutines]

// [threads]
struct style {
    int times = 1;
    std::string end = ".";
};

void greet(const std::string& name, style s)
{
    for (int i = 0; i < s.times; ++i)
        fmt::print("hello, {}{}\n", name, s.end);
}

void threads()
{
    auto arguments = tandem::args("world", style{.times = 2});
    auto thread = tandem::start_thread(greet, arguments);
    // … the program goes on …
    thread.wait();
}
// [/threads]

void mixed()
{
    // [mixed]
    tandem::thread_pool pool{4};

    // Blocking code over a coroutine function: the downloads overlap, on however few threads.
    const std::vector<std::string> names{"a", "b", "c"};
    const std::vector<std::string> pages = pool.map(download, names);

    // A coroutine that awaits a plain function in the pool: it is suspended meanwhile, and keeps no thread.
    auto total = [](tandem::thread_pool& p) -> tandem::task<int> {
        auto big = p.apply_async(square, tandem::args(1000));
        auto small = p.apply_async(square, tandem::args(1));
        const int sum = co_await big;
        co_return sum + co_await small;
    };
    fmt::print("{} {}\n", pages, tandem::sync_wait(pool, total(pool)));
    // [/mixed]
}

int add(int a, int b) { return a + b; }
void prepare() {}
tandem::task<> main_task() { co_return; }
tandem::task<int> coroutine(int n) { co_return n; }

tandem::task<> table_of_coroutine_verbs(tandem::thread_pool& pool)
{
    using tandem::args;
    std::vector<int> items{1, 2, 3};
    auto handle = tandem::co_spawn(pool, coroutine(1));
    co_await handle;
    co_await tandem::when_all(coroutine(1), coroutine(2));
    co_await tandem::when_all_settled(coroutine(1), coroutine(2));
    co_await tandem::sleep_for(1ms);
    co_await pool.apply_async(square, args(1));
    tandem::map_limits limits{.concurrency = 2};
    co_await tandem::map(items, coroutine, limits);
    co_await tandem::with_timeout(coroutine(1), 60s);
    co_await tandem::race(coroutine(1), coroutine(2));
    const auto body = [](tandem::task_scope& scope) -> tandem::task<> {
        scope.spawn(coroutine(1));
        co_return;
    };
    co_await tandem::with_scope(body);
    tandem::channel<int> queue{16};
    tandem::mutex lock;
    tandem::semaphore units{1};
    tandem::event event;
    co_await queue.send(1);
    const auto guard = co_await lock.lock();
    co_await units.acquire();
    event.set();
    co_await event.wait();
}

// Each expression of the table of verbs.
void table()
{
    using tandem::args;
    const auto callback = [](const auto&) {};
    const auto error_callback = [](std::exception_ptr) {};
    std::vector<int> items{1, 2, 3};
    std::vector<std::tuple<int, int>> pairs{{1, 2}, {3, 4}};
    {
        tandem::thread_pool pool{4};
        pool.apply(add, 1, 2);
        pool.apply_async(add, args(1, 2));
        pool.apply_async(square, args(1), callback, error_callback);
        pool.map(square, items, {.chunk = 16});
        pool.map_async(square, items, callback);
        pool.starmap(add, pairs);
        pool.starmap_async(add, pairs);
        for (int n : pool.imap(square, items))
            static_cast<void>(n);
        for (int n : pool.imap_unordered(square, items))
            static_cast<void>(n);

        auto result = pool.apply_async(square, args(1));
        result.wait();
        static_cast<void>(result.wait_for(1s));
        static_cast<void>(result.ready());
        static_cast<void>(result.successful());
        result.get();
        auto other = pool.apply_async(square, args(1));
        other.get_for(60s);
        auto third = pool.apply_async(square, args(1));
        third.cancel();

        tandem::sync_wait(pool, table_of_coroutine_verbs(pool));
        pool.close();
        pool.terminate();
        pool.join();
    }
    tandem::thread_pool named{{.threads = 4, .initializer = prepare}};
    auto thread = tandem::start_thread(add, args(1, 2));
    thread.wait();
    tandem::run(main_task);
}

} // namespace

int main(int argc, char** argv)
{
    const std::map<std::string, void (*)()> parts{
        {"blocking", blocking},
        {"callbacks", callbacks},
        {"coroutines", coroutines},
        {"threads", threads},
        {"mixed", mixed},
        {"table", table},
    };
    const auto part = argc == 2 ? parts.find(argv[1]) : parts.end();
    if (part == parts.end()) {
        fmt::print(stderr, "usage: readme {}\n", fmt::join(std::views::keys(parts), "|"));
        return 2;
    }
    part->second();
}
