#include <tandem/base/config.hpp>
#include <tandem/task/frame_memory.hpp>

#include <new>

namespace tandem {

namespace {

constexpr std::size_t granule = 64;
constexpr std::size_t classes = 16;          // up to 1 KiB
constexpr std::size_t kept_bytes = 256 << 10; // per class and thread

struct free_block {
    free_block* next;
};

struct size_class {
    free_block* head;
    std::size_t count;
};

// Plain data: no guard and no wrapper call on the hot path. Freed by `reaper`, which exists only in threads that recycled something.
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
        for (size_class& list : c.lists)
            while (list.head) {
                free_block* const b = list.head;
                list.head = b->next;
                ::operator delete(b);
            }
    }
};
thread_local reaper this_thread_reaper;

constexpr std::size_t class_of(std::size_t size) noexcept { return (size - 1) / granule; }

} // namespace

void* frame_allocate(std::size_t size)
{
    const std::size_t k = class_of(size);
    if (k >= classes)
        return ::operator new(size);
    size_class& list = this_thread_cache.lists[k];
    if (free_block* const b = list.head) {
        list.head = b->next;
        --list.count;
        return b;
    }
    return ::operator new((k + 1) * granule);
}

void frame_free(void* block, std::size_t size) noexcept
{
    const std::size_t k = class_of(size);
    cache& c = this_thread_cache;
    if (TANDEM_ASAN || k >= classes || c.thread_exiting || c.lists[k].count * (k + 1) * granule >= kept_bytes) {
        ::operator delete(block);
        return;
    }
    if (TANDEM_UNLIKELY(!c.reaper_armed)) {
        this_thread_reaper.armed = true; // the first touch registers its destructor for this thread
        c.reaper_armed = true;
    }
    size_class& list = c.lists[k];
    list.head = ::new (block) free_block{list.head};
    ++list.count;
}

} // namespace tandem
