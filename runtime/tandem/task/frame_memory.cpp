#include <tandem/base/config.hpp>
#include <tandem/task/frame_memory.hpp>

#include <atomic>
#include <mutex>
#include <new>
#include <utility>

namespace tandem {

// Magazines and a depot, after Bonwick and Adams, "Magazines and Vmem" (USENIX 2001): each thread keeps two lists of up to a magazine's
// worth of blocks per size class, and exchanges whole magazines with a shared depot. So a thread that only allocates and one that only
// frees meet at a lock once per magazine, and what is kept is bounded.

namespace {

// A block of each class fills a chunk of glibc's malloc, which puts eight bytes before it.
constexpr std::size_t granule = 32;
constexpr std::size_t chunk_header = 8;
constexpr std::size_t classes = 32; // up to 1016 bytes
constexpr std::size_t magazine_bytes = 16 << 10;
constexpr std::size_t most_in_depots =
    (64 << 20) / magazine_bytes; // magazines; what a flood of queued tasks needs comes from here again

constexpr std::size_t class_of(std::size_t size) noexcept { return (size + chunk_header - 1) / granule; }
constexpr std::size_t block_size(std::size_t k) noexcept { return (k + 1) * granule - chunk_header; }
constexpr std::size_t magazine_blocks(std::size_t k) noexcept { return magazine_bytes / block_size(k); }

struct free_block {
    free_block* next;
    free_block* next_magazine; // in the depot, on the first block of each
};

void free_all(free_block* b) noexcept
{
    while (b)
        ::operator delete(std::exchange(b, b->next));
}

// In all the depots together.
constinit std::atomic<std::size_t> in_depots{0};

/// Full magazines of one class.
class depot {
public:
    free_block* take() noexcept
    {
        // A look before the lock: while all blocks are in use every allocation of the class comes by here. Relaxed: what is taken is
        // read under the lock; to miss one that is just put back costs a visit to operator new.
        if (!first_.load(std::memory_order_relaxed))
            return nullptr;
        const std::lock_guard lock(m_);
        free_block* const magazine = first_.load(std::memory_order_relaxed);
        if (magazine) {
            first_.store(magazine->next_magazine, std::memory_order_relaxed);
            in_depots.fetch_sub(1, std::memory_order_relaxed);
        }
        return magazine;
    }
    void put(free_block* magazine) noexcept
    {
        if (in_depots.fetch_add(1, std::memory_order_relaxed) >= most_in_depots) {
            in_depots.fetch_sub(1, std::memory_order_relaxed);
            free_all(magazine);
            return;
        }
        const std::lock_guard lock(m_);
        magazine->next_magazine = first_.load(std::memory_order_relaxed);
        first_.store(magazine, std::memory_order_relaxed);
    }

private:
    std::mutex m_;
    std::atomic<free_block*> first_{nullptr}; // written under the lock
};
constinit depot depots[classes];

struct size_class {
    free_block* active; // up to a magazine, in use
    std::size_t room;   // for how many more in active; 0 as well before the first block comes, and once the thread exits
    free_block* full;   // null, or a full magazine
};

// Plain data: no guard and no wrapper call on the hot path. Emptied by `reaper`, which exists only in threads that recycled something.
struct cache {
    size_class lists[classes];
    bool reaper_armed;
    bool thread_exiting;
};
constinit thread_local cache this_thread_cache{};

struct reaper {
    bool armed = false;
    ~reaper()
    {
        cache& c = this_thread_cache;
        c.thread_exiting = true;
        for (std::size_t k = 0; k < classes; ++k) {
            size_class& list = c.lists[k];
            free_all(std::exchange(list.active, nullptr));
            if (free_block* const full = std::exchange(list.full, nullptr))
                depots[k].put(full);
            list.room = 0;
        }
    }
};
thread_local reaper this_thread_reaper;

void arm_reaper(cache& c) noexcept
{
    if (!std::exchange(c.reaper_armed, true))
        this_thread_reaper.armed = true; // the first touch registers its destructor for this thread
}

/// A block for a list that has none.
TANDEM_NOINLINE void* refill(cache& c, std::size_t k)
{
    size_class& list = c.lists[k];
    if (TANDEM_ASAN || c.thread_exiting)
        return ::operator new(block_size(k));
    free_block* magazine = std::exchange(list.full, nullptr);
    if (!magazine)
        magazine = depots[k].take();
    if (!magazine)
        return ::operator new(block_size(k));
    arm_reaper(c);
    list.active = magazine->next;
    list.room = 1;
    return magazine;
}

/// Takes a block for which there is no room.
TANDEM_NOINLINE void free_without_room(cache& c, void* block, std::size_t k) noexcept
{
    if (TANDEM_ASAN || c.thread_exiting) {
        ::operator delete(block);
        return;
    }
    arm_reaper(c);
    size_class& list = c.lists[k];
    if (list.active) {
        if (list.full)
            depots[k].put(list.full);
        list.full = list.active;
    }
    list.active = ::new (block) free_block{nullptr, nullptr};
    list.room = magazine_blocks(k) - 1;
}

} // namespace

void* frame_allocate(std::size_t size)
{
    const std::size_t k = class_of(size);
    if (TANDEM_UNLIKELY(k >= classes))
        return ::operator new(size);
    size_class& list = this_thread_cache.lists[k];
    if (free_block* const b = list.active; TANDEM_LIKELY(b)) {
        list.active = b->next;
        ++list.room;
        return b;
    }
    return refill(this_thread_cache, k);
}

void frame_free(void* block, std::size_t size) noexcept
{
    const std::size_t k = class_of(size);
    if (TANDEM_UNLIKELY(k >= classes)) {
        ::operator delete(block);
        return;
    }
    size_class& list = this_thread_cache.lists[k];
    if (TANDEM_UNLIKELY(list.room == 0)) {
        free_without_room(this_thread_cache, block, k);
        return;
    }
    list.active = ::new (block) free_block{list.active, nullptr};
    --list.room;
}

} // namespace tandem
