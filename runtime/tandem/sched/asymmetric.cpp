#include <tandem/sched/detail/asymmetric.hpp>

#if defined(__linux__)
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace tandem::detail {

namespace {

bool register_membarrier() noexcept
{
#if defined(__linux__) && defined(SYS_membarrier) && !TANDEM_TSAN
    const long supported = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
    return supported > 0 && (supported & MEMBARRIER_CMD_PRIVATE_EXPEDITED) != 0 &&
           syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
#else
    return false;
#endif
}

} // namespace

// Zero until this initialiser has run: a scheduler used before that, by another static's constructor, takes full fences on both
// sides. The value never changes while two threads use one queue, because no thread of a pool outlives the initialisation order.
const bool asymmetric_barriers = register_membarrier();

void heavy_barrier() noexcept
{
#if !TANDEM_TSAN
#if defined(__linux__) && defined(SYS_membarrier)
    if (TANDEM_LIKELY(asymmetric_barriers)) {
        syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
        return;
    }
#endif
    std::atomic_thread_fence(std::memory_order_seq_cst);
#endif
}

} // namespace tandem::detail
