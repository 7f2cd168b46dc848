#include <tandem/base/config.hpp>
#include <tandem/task/frame_memory.hpp>
#include <tandem/task/frame_region.hpp>

#include <atomic>
#include <cstddef>
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

// Magazines and a depot, after Bonwick and Adams, "Magazines and Vmem" (USENIX 2001): each thread keeps up to two magazines of blocks per
// size class, and exchanges full ones with a shared depot. So a thread that only allocates and one that only frees meet at a lock once per
// magazine, and what is kept is bounded.
//
// Blocks move from thread to thread, with the work that is stolen. So neighbours may belong to different threads, and each block, and each
// magazine, fills cache lines of its own: otherwise two threads that write to their own frames would take one line from each other.

struct detail::magazine {
    magazine* next; // in the depot
    void** blocks() noexcept { return reinterpret_cast<void**>(this + 1); }
};

namespace {

using detail::magazine;
using detail::size_class;

constexpr std::size_t magazine_bytes = 32 << 10; // of the blocks in it
constexpr std::size_t most_in_depots =
    (64 << 20) / magazine_bytes; // magazines; what a flood of queued tasks needs comes from here again

constexpr std::size_t magazine_blocks(std::size_t k) noexcept { return magazine_bytes / detail::frame_block_size(k); }

constexpr std::align_val_t line{cache_line};

magazine* new_magazine(std::size_t k) noexcept
{
    // Up to the end of its last line.
    const std::size_t bytes = sizeof(magazine) + magazine_blocks(k) * sizeof(void*) + cache_line - 1;
    void* const memory = ::operator new(bytes - bytes % cache_line, line, std::nothrow);
    return memory ? ::new (memory) magazine{nullptr} : nullptr;
}

void delete_magazine(magazine* m) noexcept { ::operator delete(m, line); }

void delete_blocks(void** first, void** last, std::size_t k) noexcept
{
    for (; first != last; ++first)
        detail::delete_block(*first, k);
}

void delete_full(magazine* m, std::size_t k) noexcept
{
    delete_blocks(m->blocks(), m->blocks() + magazine_blocks(k), k);
    delete_magazine(m);
}

// In all the depots together.
constinit std::atomic<std::size_t> in_depots{0};

/// Full magazines of one class.
class depot {
public:
    magazine* take() noexcept
    {
        // A look before the lock: while all blocks are in use every allocation of the class comes by here. Relaxed: what is taken is
        // read under the lock; to miss one that is just put back costs a new block.
        if (!first_.load(std::memory_order_relaxed))
            return nullptr;
        const std::lock_guard lock(m_);
        magazine* const m = first_.load(std::memory_order_relaxed);
        if (m) {
            first_.store(m->next, std::memory_order_relaxed);
            in_depots.fetch_sub(1, std::memory_order_relaxed);
        }
        return m;
    }
    void put(magazine* m, std::size_t k) noexcept
    {
        if (in_depots.fetch_add(1, std::memory_order_relaxed) >= most_in_depots) {
            in_depots.fetch_sub(1, std::memory_order_relaxed);
            delete_full(m, k);
            return;
        }
        const std::lock_guard lock(m_);
        m->next = first_.load(std::memory_order_relaxed);
        first_.store(m, std::memory_order_relaxed);
    }

private:
    std::mutex m_;
    std::atomic<magazine*> first_{nullptr}; // written under the lock
};
constinit depot depots[detail::frame_classes];

magazine* in_use(const size_class& c) noexcept { return c.base ? reinterpret_cast<magazine*>(c.base) - 1 : nullptr; }

/// Takes it into use, with so many blocks in it; or none.
void use(size_class& c, magazine* m, std::size_t k, std::size_t blocks) noexcept
{
    c.base = m ? m->blocks() : nullptr;
    c.top = m ? c.base + blocks : nullptr;
    c.end = m ? c.base + magazine_blocks(k) : nullptr;
}

struct reaper {
    bool armed = false;
    ~reaper()
    {
        detail::thread_state& t = detail::this_thread();
        t.exiting = true;
        for (std::size_t k = 0; k < detail::frame_classes; ++k) {
            size_class& c = t.frames[k];
            delete_blocks(c.base, c.top, k);
            delete_magazine(in_use(c));
            use(c, nullptr, k, 0);
            delete_magazine(std::exchange(c.empty, nullptr));
            if (magazine* const full = std::exchange(c.full, nullptr))
                depots[k].put(full, k);
        }
        detail::leave_region(t);
    }
};
thread_local reaper this_thread_reaper;

void arm_reaper(detail::thread_state& t) noexcept
{
    if (!std::exchange(t.reaper_armed, true))
        this_thread_reaper.armed = true; // the first touch registers its destructor for this thread
}

} // namespace

void* detail::large_frame_allocate(std::size_t size) { return ::operator new(size); }
void detail::large_frame_free(void* block) noexcept { ::operator delete(block); }

TANDEM_NOINLINE void* detail::frame_refill(std::size_t k)
{
    thread_state& t = this_thread();
    if (t.exiting) { // nobody comes after this who would leave it
        void* const block = new_block(t, k);
        leave_region(t);
        return block;
    }
    if (TANDEM_ASAN)
        return new_block(t, k);
    arm_reaper(t);
    size_class& c = t.frames[k];
    magazine* m = std::exchange(c.full, nullptr);
    if (!m)
        m = depots[k].take();
    if (!m)
        return new_block(t, k);
    delete_magazine(std::exchange(c.empty, in_use(c)));
    use(c, m, k, magazine_blocks(k));
    return *--c.top;
}

TANDEM_NOINLINE void detail::frame_overflow(void* block, std::size_t k) noexcept
{
    thread_state& t = this_thread();
    if (TANDEM_ASAN || t.exiting) {
        delete_block(block, k);
        return;
    }
    arm_reaper(t);
    size_class& c = t.frames[k];
    if (magazine* const now_full = in_use(c))
        if (magazine* const before = std::exchange(c.full, now_full))
            depots[k].put(before, k);
    magazine* m = std::exchange(c.empty, nullptr);
    if (!m)
        m = new_magazine(k);
    use(c, m, k, 0);
    if (m)
        *c.top++ = block;
    else
        delete_block(block, k); // no memory for the magazine either
}

} // namespace tandem
