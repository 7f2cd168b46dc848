#include <tandem/base/config.hpp>
#include <tandem/task/frame_memory.hpp>

#include <atomic>
#include <mutex>
#include <new>
#include <utility>

namespace tandem {

namespace detail {

#if TANDEM_INLINE_THREAD_STATE
// Named for the assembler, and in the part of a thread's block that lies at a fixed distance from the thread pointer.
extern constinit thread_local thread_state this_thread_state __asm__("tandem_thread_state")
    __attribute__((tls_model("initial-exec")));
constinit thread_local thread_state this_thread_state{};
#else
constinit thread_local thread_state this_thread_state{};
TANDEM_NOINLINE thread_state& this_thread() noexcept { return this_thread_state; }
#endif

} // namespace detail

// Magazines and a depot, after Bonwick and Adams, "Magazines and Vmem" (USENIX 2001): each thread keeps two lists of up to a magazine's
// worth of blocks per size class, and exchanges whole magazines with a shared depot. So a thread that only allocates and one that only
// frees meet at a lock once per magazine, and what is kept is bounded.

namespace {

using detail::free_block;

constexpr std::size_t magazine_bytes = 16 << 10;
constexpr std::size_t most_in_depots =
    (64 << 20) / magazine_bytes; // magazines; what a flood of queued tasks needs comes from here again

constexpr std::size_t magazine_blocks(std::size_t k) noexcept { return magazine_bytes / detail::frame_block_size(k); }

void free_all(free_block* b) noexcept
{
    while (b)
        ::operator delete(std::exchange(b, b->next));
}

// In all the depots together.
constinit std::atomic<std::size_t> in_depots{0};

// When there are ever more frames, glibc lets the heap of a thread other than the first grow by one page at a time, with a system call
// each that stops the other threads of the process. A large block, given back at once, makes it grow by that; small enough to stay in the
// heap, and not to be given back to the system.
constexpr std::size_t growth = 96 << 10;
constexpr unsigned blocks_between_growths = 64;

void grow_heap()
{
    void* volatile block = ::operator new(growth); // volatile: or the compiler might leave both out
    ::operator delete(block);
}

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
constinit depot depots[detail::frame_classes];

struct reaper {
    bool armed = false;
    ~reaper()
    {
        detail::thread_state& c = detail::this_thread();
        c.exiting = true;
        for (std::size_t k = 0; k < detail::frame_classes; ++k) {
            detail::size_class& list = c.frames[k];
            free_all(std::exchange(list.active, nullptr));
            if (free_block* const full = std::exchange(list.full, nullptr))
                depots[k].put(full);
            list.room = 0;
        }
    }
};
thread_local reaper this_thread_reaper;

void arm_reaper(detail::thread_state& c) noexcept
{
    if (!std::exchange(c.reaper_armed, true))
        this_thread_reaper.armed = true; // the first touch registers its destructor for this thread
}

} // namespace

void* detail::large_frame_allocate(std::size_t size) { return ::operator new(size); }
void detail::large_frame_free(void* block) noexcept { ::operator delete(block); }

TANDEM_NOINLINE void* detail::frame_refill(std::size_t k)
{
    thread_state& c = this_thread();
    size_class& list = c.frames[k];
    if (TANDEM_ASAN || c.exiting)
        return ::operator new(frame_block_size(k));
    free_block* magazine = std::exchange(list.full, nullptr);
    if (!magazine)
        magazine = depots[k].take();
    if (!magazine) {
        if (++c.fresh_blocks % blocks_between_growths == 0)
            grow_heap();
        return ::operator new(frame_block_size(k));
    }
    arm_reaper(c);
    list.active = magazine->next;
    list.room = 1;
    return magazine;
}

TANDEM_NOINLINE void detail::frame_overflow(void* block, std::size_t k) noexcept
{
    thread_state& c = this_thread();
    if (TANDEM_ASAN || c.exiting) {
        ::operator delete(block);
        return;
    }
    arm_reaper(c);
    size_class& list = c.frames[k];
    if (list.active) {
        if (list.full)
            depots[k].put(list.full);
        list.full = list.active;
    }
    list.active = ::new (block) free_block{nullptr, nullptr};
    list.room = magazine_blocks(k) - 1;
}

} // namespace tandem
