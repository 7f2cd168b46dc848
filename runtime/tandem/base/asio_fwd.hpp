#pragma once
// The one place where Asio's types are declared ahead, so that public headers need not include Asio.

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
