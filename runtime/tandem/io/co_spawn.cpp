#include <tandem/io/co_spawn.hpp>

#include <asio/thread_pool.hpp>

namespace tandem::detail {

thread_pool* pool_of(const asio::any_io_executor& ex) noexcept
{
    const auto* const e = target_of<asio::thread_pool::executor_type>(ex);
    return e ? thread_pool::of(static_cast<asio::thread_pool&>(asio::query(*e, asio::execution::context))) : nullptr;
}

} // namespace tandem::detail
