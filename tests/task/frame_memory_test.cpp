#include "support/threads.hpp"

#include <tandem/task/frame_memory.hpp>
#include <tandem/task/sync_wait.hpp>

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <set>
#include <vector>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

using namespace tandem;
using namespace tandem::test;

namespace {

struct block {
    void* memory;
    std::size_t size;
};

// The bytes that are allocated in the whole process. The sanitizers' allocators do not say.
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 33) && !TANDEM_ASAN && !TANDEM_TSAN
constexpr bool can_measure = true;
std::ptrdiff_t bytes_in_use() { return static_cast<std::ptrdiff_t>(mallinfo2().uordblks + mallinfo2().hblkhd); }
#else
constexpr bool can_measure = false;
std::ptrdiff_t bytes_in_use() { return 0; }
#endif

// A bounded queue from one thread to another.
class conveyor {
public:
    void put(void* p) noexcept
    {
        while (written_ - read_.load(std::memory_order_acquire) == belt_.size())
            std::this_thread::yield();
        belt_[written_ % belt_.size()] = p;
        published_.store(++written_, std::memory_order_release);
    }
    void* take() noexcept
    {
        const std::size_t n = read_.load(std::memory_order_relaxed);
        while (published_.load(std::memory_order_acquire) == n)
            std::this_thread::yield();
        void* const p = belt_[n % belt_.size()];
        read_.store(n + 1, std::memory_order_release);
        return p;
    }

private:
    std::array<void*, 4096> belt_{};
    std::size_t written_ = 0;
    std::atomic<std::size_t> published_{0};
    std::atomic<std::size_t> read_{0};
};

} // namespace

TEST_CASE("a block has the room that was asked for, aligned for any scalar, to itself")
{
    std::vector<block> blocks;
    for (int round = 0; round < 2; ++round) { // the second time from recycled blocks
        for (std::size_t size = 1; size <= 3000; size += size < 200 ? 1 : 37) {
            void* const p = frame_allocate(size);
            CHECK(reinterpret_cast<std::uintptr_t>(p) % alignof(std::max_align_t) == 0);
            std::memset(p, static_cast<int>(size % 251), size);
            blocks.push_back({p, size});
        }
        for (const block& b : blocks) {
            const auto* const bytes = static_cast<const unsigned char*>(b.memory);
            bool untouched = true;
            for (std::size_t k = 0; k < b.size; ++k)
                untouched = untouched && bytes[k] == b.size % 251;
            CHECK(untouched);
            frame_free(b.memory, b.size);
        }
        blocks.clear();
    }
}

TEST_CASE("a freed block is given out again for the same size, newest first")
{
    if (TANDEM_ASAN)
        return; // there it is not, so that a use after free is seen
    void* const a = frame_allocate(300);
    void* const b = frame_allocate(300);
    frame_free(a, 300);
    frame_free(b, 300);
    void* const other = frame_allocate(700);
    CHECK(other != a);
    CHECK(other != b);
    CHECK(frame_allocate(300) == b);
    CHECK(frame_allocate(290) == a); // of the same class
    frame_free(a, 290);
    frame_free(b, 300);
    frame_free(other, 700);
}

TEST_CASE("the frames of tasks are recycled")
{
    if (TANDEM_ASAN)
        return;
    const auto where = []() -> task<const void*> {
        const int local = 0;
        const void* const address = &local; // in the frame, since it is used after a suspension
        static_cast<void>(co_await this_task::stop_token());
        co_return local == 0 ? address : nullptr;
    };
    const auto looks = [&]() -> task<std::size_t> {
        std::set<const void*> seen;
        for (int k = 0; k < 100; ++k)
            seen.insert(co_await where());
        co_return seen.size();
    };
    CHECK(sync_wait(looks()) == 1);
}

TEST_CASE("a block may be freed on another thread, and serves that one")
{
    void* p = frame_allocate(128);
    on_threads([&] {
        frame_free(p, 128);
        void* const again = frame_allocate(128);
        if (!TANDEM_ASAN)
            CHECK(again == p);
        frame_free(again, 128);
    });
}

TEST_CASE("what one thread makes and another frees stays bounded")
{
    constexpr int blocks = scaled(300'000, 100'000, 50'000);
    for (const std::size_t size : {64u, 500u, 1024u, 1500u}) {
        const std::ptrdiff_t before = bytes_in_use();
        std::ptrdiff_t during = 0;
        conveyor belt;
        on_threads(
            [&] {
                for (int k = 0; k < blocks; ++k)
                    belt.put(frame_allocate(size));
            },
            [&] {
                for (int k = 0; k < blocks; ++k)
                    frame_free(belt.take(), size);
                during = bytes_in_use(); // with what this thread keeps
            });
        if (can_measure)
            CHECK(
                during - before < (8 << 20)); // a full belt and the lists of two threads, of up to 450 MB that have passed through
    }
}

TEST_CASE("a thread keeps a bounded number of blocks, and gives them back when it ends")
{
    const std::ptrdiff_t before = bytes_in_use();
    on_threads([&] {
        {
            std::vector<void*> blocks;
            for (int k = 0; k < 200'000; ++k)
                blocks.push_back(frame_allocate(1000));
            for (void* const b : blocks)
                frame_free(b, 1000);
        }
        if (can_measure)
            CHECK(bytes_in_use() - before < (68 << 20)); // of 200 MB; 64 MiB of blocks, which do not quite fill their regions
    });
    const std::ptrdiff_t kept = bytes_in_use();
    for (int k = 0; k < 200; ++k)
        on_threads([] {
            void* const p = frame_allocate(1000);
            frame_free(p, 1000);
        });
    if (can_measure)
        CHECK(bytes_in_use() - kept < (100 << 10));
}

TEST_CASE("two threads never have blocks in one cache line")
{
    if (TANDEM_ASAN)
        return; // there each block is one of malloc's
    std::vector<block> blocks;
    const auto take_some = [&] {
        for (std::size_t size = 1; size <= 4096; size += 61) {
            void* const p = frame_allocate(size);
            CHECK(reinterpret_cast<std::uintptr_t>(p) % cache_line == 0);
            blocks.push_back({p, size});
        }
    };
    on_threads(take_some); // the second goes on with the memory that the first one leaves
    on_threads(take_some);
    std::set<std::uintptr_t> lines;
    for (const block& b : blocks) {
        const auto first = reinterpret_cast<std::uintptr_t>(b.memory) / cache_line;
        for (std::size_t k = 0; k <= (b.size - 1) / cache_line; ++k)
            CHECK(lines.insert(first + k).second);
    }
    for (const block& b : blocks)
        frame_free(b.memory, b.size);
}

TEST_CASE("threads that come and go, and leave a block each, take little more than their blocks")
{
    std::vector<void*> blocks;
    const std::ptrdiff_t before = bytes_in_use();
    for (int k = 0; k < 300; ++k)
        on_threads([&] { blocks.push_back(frame_allocate(500)); });
    if (can_measure)
        CHECK(bytes_in_use() - before < (300 * 512 + (100 << 10)));
    for (void* const b : blocks)
        frame_free(b, 500);
}

TEST_CASE("stress: blocks of all sizes go from thread to thread, while threads end and others begin")
{
    constexpr std::size_t places = 64;
    std::array<std::atomic<block*>, places> shelf{}; // each block begins with what it is
    std::atomic<unsigned> spoilt{0};
    const auto bytes_of = [](block* b) { return static_cast<unsigned char*>(b->memory); };
    const auto put_away = [&](block* b) {
        const unsigned char* const bytes = bytes_of(b);
        const std::size_t size = b->size;
        for (std::size_t k = sizeof(block); k < size; ++k)
            if (bytes[k] != static_cast<unsigned char>(size))
                ++spoilt;
        frame_free(b, size);
    };
    const auto trade = [&](unsigned seed) {
        std::uint32_t x = seed * 2654435761u + 1;
        for (int k = 0; k < scaled(4'000, 2'000, 1'000); ++k) {
            x = x * 1664525u + 1013904223u;
            const std::size_t size = sizeof(block) + (x >> 8) % 4200;
            void* const memory = frame_allocate(size);
            auto* const b = ::new (memory) block{memory, size};
            std::memset(bytes_of(b) + sizeof(block), static_cast<int>(size & 255), size - sizeof(block));
            // Release and acquire: who takes it reads it.
            if (block* const other = shelf[(x >> 24) % places].exchange(b, std::memory_order_acq_rel))
                put_away(other);
        }
    };
    for (unsigned round = 0; round < 10; ++round)
        on_threads([&] { trade(3 * round); }, [&] { trade(3 * round + 1); }, [&] { trade(3 * round + 2); });
    for (auto& place : shelf)
        if (block* const b = place.load(std::memory_order_relaxed))
            put_away(b);
    CHECK(spoilt == 0);
}

TEST_CASE("frames may be freed while the thread ends")
{
    struct at_exit {
        ~at_exit()
        {
            frame_free(memory, 200);
            frame_free(frame_allocate(200), 200);
        }
        void* memory = nullptr;
    };
    on_threads([] {
        static thread_local at_exit early; // made before this thread recycles anything, so it goes after
        early.memory = frame_allocate(200);
        frame_free(frame_allocate(100), 100);
        static thread_local at_exit late;
        late.memory = frame_allocate(200);
    });
}
