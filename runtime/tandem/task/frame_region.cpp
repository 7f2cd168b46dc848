#include <tandem/base/config.hpp>
#include <tandem/task/frame_memory.hpp>
#include <tandem/task/frame_region.hpp>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <new>
#include <utility>

namespace tandem::detail {

/// Memory that one thread at a time cuts into blocks of any class. It is freed when it is left and all its blocks are given back.
class region {
public:
    static constexpr std::size_t bytes = 32 << 10;               // and its alignment, so that a block tells where it begins
    static constexpr std::size_t lines = bytes / cache_line - 2; // behind the first, which is this; the last is malloc's

    /// Throws std::bad_alloc.
    static region* make()
    {
        void* memory = nullptr;
        // Without malloc's own two words, so that it can lay the next region directly behind: operator new would round up.
        if (::posix_memalign(&memory, bytes, bytes - 2 * sizeof(void*)) != 0)
            throw std::bad_alloc();
        return ::new (memory) region;
    }
    static region& of(void* block) noexcept
    {
        return *reinterpret_cast<region*>(reinterpret_cast<std::uintptr_t>(block) & ~std::uintptr_t{bytes - 1});
    }

    [[nodiscard]] std::size_t uncut() const noexcept { return lines - cut_; }
    void* cut(std::size_t n) noexcept
    {
        return reinterpret_cast<std::byte*>(this) + (1 + std::exchange(cut_, cut_ + n)) * cache_line;
    }
    /// Cuts no more of it.
    void leave() noexcept { give_back(uncut() + 1); }
    /// So many lines of it.
    void give_back(std::size_t n) noexcept
    {
        // Release, and acquire for the last: all that was done in its blocks comes before it is freed.
        if (left_.fetch_sub(n, std::memory_order_acq_rel) == n)
            std::free(this);
    }

    region* next; // of those that nobody cuts

private:
    std::atomic<std::size_t> left_{lines + 1}; // lines that are not given back, and one for who cuts it
    std::size_t cut_ = 0;                      // lines
};

static_assert(sizeof(region) <= cache_line && (1 + region::lines) * cache_line <= region::bytes - 2 * sizeof(void*));

namespace {

/// Regions whose thread has ended, for the next ones. Without it threads that come and go, each of which makes a block or two that others
/// keep, would take a region each.
class spare_regions {
public:
    region* take() noexcept
    {
        const std::lock_guard lock(m_);
        region* const r = first_;
        if (r) {
            first_ = r->next;
            --count_;
        }
        return r;
    }
    void put(region* r) noexcept
    {
        std::unique_lock lock(m_);
        if (count_ == most) {
            lock.unlock();
            r->leave();
            return;
        }
        r->next = std::exchange(first_, r);
        ++count_;
    }

private:
    static constexpr std::size_t most = 16;
    std::mutex m_;
    region* first_ = nullptr;
    std::size_t count_ = 0;
};
constinit spare_regions spares;

constexpr std::size_t lines_of(std::size_t k) noexcept { return frame_block_size(k) / cache_line; }

} // namespace

void* new_block(thread_state& t, std::size_t k)
{
    if (TANDEM_ASAN)
        return ::operator new(frame_block_size(k));
    while (!t.cuts || t.cuts->uncut() < lines_of(k)) {
        region* next = spares.take();
        if (!next)
            next = region::make();
        if (region* const before = std::exchange(t.cuts, next))
            before->leave();
    }
    return t.cuts->cut(lines_of(k));
}

void leave_region(thread_state& t) noexcept
{
    if (region* const r = std::exchange(t.cuts, nullptr))
        spares.put(r);
}

void delete_block(void* block, std::size_t k) noexcept
{
    if (TANDEM_ASAN)
        ::operator delete(block);
    else
        region::of(block).give_back(lines_of(k));
}

} // namespace tandem::detail
