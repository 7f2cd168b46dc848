#include <tandem/base/config.hpp>
#include <tandem/task/frame_memory.hpp>

#include <mutex>
#include <new>
#include <utility>

namespace tandem {

// Magazines and a depot, after Bonwick and Adams, "Magazines and Vmem" (USENIX 2001): each thread keeps two lists of up to a magazine's
// worth of blocks per size class, and exchanges whole magazines with a shared depot. So a thread that only allocates and one that only
// frees meet at a lock once per magazine, and what is kept is bounded.

namespace {

constexpr std::size_t granule = 64;
constexpr std::size_t classes = 16; // up to 1 KiB
constexpr std::size_t magazine_bytes = 16 << 10;
constexpr std::size_t depot_magazines = 64; // per class: one MiB

constexpr std::size_t class_of(std::size_t size) noexcept { return (size - 1) / granule; }
constexpr std::size_t block_size(std::size_t k) noexcept { return (k + 1) * granule; }
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

/// Full magazines of one class.
class depot {
public:
    free_block* take() noexcept
    {
        const std::lock_guard lock(m_);
        if (!first_)
            return nullptr;
        --count_;
        return std::exchange(first_, first_->next_magazine);
    }
    void put(free_block* magazine) noexcept
    {
        {
            const std::lock_guard lock(m_);
            if (count_ < depot_magazines) {
                magazine->next_magazine = std::exchange(first_, magazine);
                ++count_;
                return;
            }
        }
        free_all(magazine);
    }

private:
    std::mutex m_;
    free_block* first_ = nullptr;
    std::size_t count_ = 0;
};
constinit depot depots[classes];

struct size_class {
    free_block* active; // up to a magazine, in use
    std::size_t count;  // of active
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
            free_all(std::exchange(c.lists[k].active, nullptr));
            if (free_block* const full = std::exchange(c.lists[k].full, nullptr))
                depots[k].put(full);
        }
    }
};
thread_local reaper this_thread_reaper;

TANDEM_NOINLINE void* refill(size_class& list, std::size_t k)
{
    free_block* magazine = std::exchange(list.full, nullptr);
    if (!magazine)
        magazine = depots[k].take();
    if (!magazine)
        return ::operator new(block_size(k));
    list.active = magazine->next;
    list.count = magazine_blocks(k) - 1;
    return magazine;
}

TANDEM_NOINLINE void make_room(cache& c, size_class& list, std::size_t k) noexcept
{
    if (!c.reaper_armed) {
        this_thread_reaper.armed = true; // the first touch registers its destructor for this thread
        c.reaper_armed = true;
        if (list.count < magazine_blocks(k))
            return;
    }
    if (list.full)
        depots[k].put(list.full);
    list.full = std::exchange(list.active, nullptr);
    list.count = 0;
}

} // namespace

void* frame_allocate(std::size_t size)
{
    const std::size_t k = class_of(size);
    if (k >= classes)
        return ::operator new(size);
    size_class& list = this_thread_cache.lists[k];
    if (free_block* const b = list.active) {
        list.active = b->next;
        --list.count;
        return b;
    }
    return refill(list, k);
}

void frame_free(void* block, std::size_t size) noexcept
{
    const std::size_t k = class_of(size);
    cache& c = this_thread_cache;
    if (TANDEM_ASAN || k >= classes || c.thread_exiting) {
        ::operator delete(block);
        return;
    }
    size_class& list = c.lists[k];
    if (TANDEM_UNLIKELY(list.count == magazine_blocks(k) || !c.reaper_armed))
        make_room(c, list, k);
    list.active = ::new (block) free_block{list.active, nullptr};
    ++list.count;
}

} // namespace tandem
