#pragma once
// The one place where Asio's types are declared ahead, so that public headers need not include Asio.

// The library contains Asio's compiled part. A file that sees Asio otherwise (with other calls and returns of the functions in there)
// links, and crashes.
#if !defined(ASIO_STANDALONE) || !defined(ASIO_SEPARATE_COMPILATION) || !defined(ASIO_NO_DEPRECATED)
#error                                                                                                                             \
    "Tandem is built with ASIO_STANDALONE, ASIO_SEPARATE_COMPILATION and ASIO_NO_DEPRECATED: define them in every file that includes Asio"
#endif

#include <cstddef> // before Asio's, which then knows the standard library: how Asio allocates depends on it

#include <asio/detail/config.hpp>

#if !defined(ASIO_INLINE_NAMESPACE_BEGIN) // since Asio 1.38
#define ASIO_INLINE_NAMESPACE_BEGIN
#define ASIO_INLINE_NAMESPACE_END
#endif

namespace asio {
ASIO_INLINE_NAMESPACE_BEGIN
class thread_pool;
class any_io_executor;
ASIO_INLINE_NAMESPACE_END
} // namespace asio
