#include <tandem/sync/channel.hpp>

#include <stdexcept>
#include <string>

namespace tandem {

void detail::throw_bad_channel_capacity(std::size_t capacity, std::size_t most)
{
    throw std::invalid_argument("channel: capacity is " + std::to_string(capacity) + ", and it may be at most " +
                                std::to_string(most) + "; for one without a limit there is channel<T>::unbounded()");
}

} // namespace tandem
