// A pool in a block: leaving the block finishes what was started in it, as close() and join() would.
// So the calls may use what was made before the pool, and nobody can forget to wait.

#include "command_line.hpp"

#include <tandem/pool/thread_pool.hpp>

#include <fmt/core.h>

#include <atomic>
#include <chrono>
#include <thread>

int main(int argc, char** argv)
{
    double seconds = 0.1;
    read_command_line(argc, argv, option("--seconds", seconds, 0, 60));

    std::atomic<int> done = 0;
    {
        tandem::thread_pool pool{4};
        for (int i = 0; i < 8; ++i)
            pool.apply_async([&done, seconds] {
                std::this_thread::sleep_for(std::chrono::duration<double>(seconds)); // in place of work
                ++done;
            });
        fmt::print("8 calls started\n");
    }
    fmt::print("{} calls done after the block\n", done.load());
}
