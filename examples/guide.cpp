// What docs/guide.md quotes, from top to bottom.
// Between `// [name]` and `// [/name]` stands the block of that name; tests/readme_test.py compares them.

#include <tandem/io/awaitable.hpp>
#include <tandem/io/completion_token.hpp>
#include <tandem/io/sleep.hpp>
#include <tandem/io/use_task.hpp>
#include <tandem/tandem.hpp>

#include <asio/local/connect_pair.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/read_until.hpp>
#include <asio/use_future.hpp>
#include <asio/write.hpp>

#include <fmt/ranges.h>

#include <atomic>
#include <chrono>
#include <exception>
#include <future>
#include <ranges>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

namespace {

using socket = asio::local::stream_protocol::socket;

int square(int n) { return n * n; }

// [download]
tandem::task<std::string> download(std::string name)
{
    co_await tandem::sleep_for(10ms); // in place of a socket
    if (name.empty())
        throw std::invalid_argument("download: no name");
    co_return "page " + name;
}
// [/download]

void blocking()
{
    // [map]
    tandem::thread_pool pool{4};
    const std::vector<int> numbers{1, 2, 3, 4};
    const std::vector<int> squares = pool.map(square, numbers);
    // [/map]
    fmt::print("{}\n", squares);

    // [imap]
    for (int n : pool.imap(square, std::views::iota(1))) { // endless: read as far as is needed, and a little ahead
        if (n > 50)
            break; // what has not begun is cancelled, and what has is waited for
        fmt::print("{} ", n);
    }
    // [/imap]
    fmt::print("\n");

    // [handle]
    auto slow = pool.apply_async([] {
        std::this_thread::sleep_for(100ms);
        return 42;
    });
    while (!slow.wait_for(30ms))
        fmt::print("waiting\n");
    fmt::print("{}\n", slow.get());
    // [/handle]
}

void callbacks()
{
    // [unhandled]
    const auto log = [](std::exception_ptr error) {
        try {
            std::rethrow_exception(error);
        }
        catch (const std::exception& e) {
            fmt::print("log: {}\n", e.what());
        }
    };
    tandem::thread_pool pool{{.threads = 4, .unhandled = log}};
    pool.apply_async([] { throw std::runtime_error("nobody waits for this call"); });
    // [/unhandled]
}

// [limits]
tandem::task<std::size_t> total_size(std::vector<std::string> names)
{
    tandem::map_limits limits{.concurrency = 2}; // downloads under way at once
    const std::vector<std::string> pages = co_await tandem::map(names, download, limits);
    std::size_t sum = 0;
    for (const std::string& page : pages)
        sum += page.size();
    co_return sum;
}
// [/limits]

// [io]
tandem::task<std::string> read_line(socket& s)
{
    std::string line;
    co_await asio::async_read_until(s, asio::dynamic_buffer(line), '\n', tandem::use_task);
    co_return line;
}
// [/io]

tandem::task<> io(tandem::thread_pool& pool)
{
    socket here{pool.context()};
    socket there{pool.context()};
    asio::local::connect_pair(here, there);
    const std::string hello = "hello\n";
    auto write = asio::async_write(here, asio::buffer(hello), tandem::use_task);
    auto [written, line] = co_await tandem::when_all(std::move(write), read_line(there));
    fmt::print("{} bytes: {}", written, line);
}

// [awaitable]
asio::awaitable<int> of_asio() { co_return 1; }
tandem::task<int> of_tandem() { co_return 1 + co_await of_asio(); }
asio::awaitable<int> and_back(tandem::thread_pool& pool)
{
    co_return 1 + co_await tandem::co_spawn(pool, of_tandem(), asio::use_awaitable);
}
// [/awaitable]

tandem::task<> from_coroutine(tandem::thread_pool& pool)
{
    // [await_call]
    const int n = co_await pool.apply_async(square, tandem::args(5)); // suspends this coroutine, and blocks no thread
    // [/await_call]
    const int three = co_await and_back(pool);
    fmt::print("{} {}\n", n, three);
}

void mixing()
{
    // [mixing]
    tandem::thread_pool pool{4};
    // A verb awaits what its function returns.
    const std::vector<std::string> names{"a", "b", "c"};
    const std::vector<std::string> pages = pool.map(download, names);
    // A coroutine in the background, and one waited for.
    auto handle = tandem::co_spawn(pool, download("d"));
    const std::string page = tandem::sync_wait(pool, download("e"));
    // Any completion token of Asio.
    std::future<int> future = pool.apply_async(square, tandem::args(6), asio::use_future);
    // [/mixing]
    fmt::print("{} {} {} {}\n", pages, handle.get(), page, future.get());
    tandem::sync_wait(pool, from_coroutine(pool));
    tandem::sync_wait(pool, io(pool));
    fmt::print("{}\n", tandem::sync_wait(pool, total_size(names)));
}

// [plain_loop]
tandem::task<long> count_until_stopped()
{
    const tandem::stop_token stop = co_await tandem::this_task::stop_token();
    long n = 0;
    while (!stop.stop_requested()) // a loop that awaits nothing has to look
        ++n;
    co_return n;
}
// [/plain_loop]

void cancelling()
{
    tandem::thread_pool pool{4};
    // [cancel]
    auto sleeping = tandem::co_spawn(pool, tandem::sleep_for(1h));
    if (!sleeping.wait_for(10ms))
        sleeping.cancel();
    try {
        sleeping.get();
    }
    catch (const tandem::operation_cancelled& e) {
        fmt::print("{}\n", e.what());
    }
    // [/cancel]
    std::atomic<bool> begun = false; // cancelled before that, it would have no result
    auto counting = tandem::co_spawn(pool, [&] {
        begun = true;
        return count_until_stopped();
    });
    while (!begun)
        std::this_thread::yield();
    counting.cancel();
    fmt::print("{}\n", counting.get() >= 0);
}

tandem::task<> errors()
{
    // [settled]
    const auto [good, bad] = co_await tandem::when_all_settled(download("a"), download(""));
    fmt::print("{}\n", good.has_value() ? good.value() : "failed");
    try {
        bad.value(); // throws what the task threw
    }
    catch (const std::invalid_argument& e) {
        fmt::print("{}\n", e.what());
    }
    // [/settled]
}

void blocking_in_tasks()
{
    tandem::thread_pool pool{1};
    // [nested]
    const auto nested = [&pool](int n) {
        const std::vector<int> items(3, n);
        return pool.map(square, items).size(); // in the pool, on the pool
    };
    fmt::print("{}\n", pool.map(nested, std::vector{1, 2, 3}));
    // [/nested]

    // [section]
    pool.apply_async([] {
        const tandem::blocking_section section; // up to the end of this scope another thread takes this one's place
        std::this_thread::sleep_for(10ms);      // a read, a lock, a foreign future
    });
    // [/section]
}

void lifetime()
{
    tandem::thread_pool pool{4};
    const std::string name = "x";

    // [captures]
    // Wrong: the coroutine refers to the lambda for its captures, and the lambda is gone at the end of the line.
    //     auto task = [name]() -> tandem::task<std::string> { co_return co_await download(name); }();

    // Right: hand over the function, which is then kept as long as its coroutine.
    auto kept = tandem::co_spawn(pool, [name]() -> tandem::task<std::string> { co_return co_await download(name); });

    // Right: parameters by value are part of the coroutine.
    auto task = [](std::string n) -> tandem::task<std::string> { co_return co_await download(n); }(name);
    // [/captures]
    fmt::print("{} {}\n", kept.get(), tandem::sync_wait(pool, std::move(task)));
}

tandem::task<> gcc_twelve(tandem::thread_pool& pool)
{
    const std::string name = "a string too long to be kept inside its object";
    // [gcc_twelve]
    // Wrong with GCC 12: co_await pool.apply_async([name] { return name.size(); })
    auto size_of_name = [name] { return name.size(); };
    const std::size_t size = co_await pool.apply_async(size_of_name);
    // [/gcc_twelve]
    fmt::print("{}\n", size);
}

} // namespace

int main()
{
    blocking();
    callbacks();
    mixing();
    cancelling();
    tandem::run(errors);
    blocking_in_tasks();
    lifetime();
    tandem::run(gcc_twelve);
}
