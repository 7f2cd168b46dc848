#pragma once

#include <cstddef>

namespace tandem {

/// Memory for coroutine frames and call states: recycled blocks by size class, per thread, above `operator new`.
///
/// `frame_allocate` returns a block of at least `size` bytes aligned for any scalar; throws std::bad_alloc. `frame_free` takes it
/// back on any thread, with the same size. Cost: a nanosecond or two when the thread has a block of that class. Each thread keeps up
/// to 32 KiB per class and hands what is more on to the others; the process keeps up to 64 MiB between them and gives the rest back, so
/// a producer that allocates for a consumer that frees does not make the consumer's lists grow. Under AddressSanitizer blocks are not recycled, so that a use after free is seen.
[[nodiscard]] void* frame_allocate(std::size_t size);
void frame_free(void* block, std::size_t size) noexcept;

} // namespace tandem
