// Where the blocks of frame_memory come from, and where they go in the end. For implementers.
#pragma once

#include <tandem/task/thread_state.hpp>

#include <cstddef>

namespace tandem::detail {

/// A new block of class k, from the region that this thread cuts. Throws std::bad_alloc.
[[nodiscard]] void* new_block(thread_state& own, std::size_t k);
/// The end of a block: the memory is free again together with the rest of its region. On any thread.
void delete_block(void* block, std::size_t k) noexcept;
/// Leaves the region of this thread to the next one that needs one.
void leave_region(thread_state& own) noexcept;

} // namespace tandem::detail
