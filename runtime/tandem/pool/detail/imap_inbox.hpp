#pragma once

#include <tandem/base/outcome.hpp>
#include <tandem/sync/one_shot_event.hpp>

#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace tandem::detail {

/// Where the chunks of an imap arrive: filled by the pool, emptied by the one consumer.
template <class R>
class imap_inbox {
public:
    using chunk = std::vector<outcome<R>>;

    explicit imap_inbox(bool ordered) noexcept : ordered_(ordered) {}

    void put(std::size_t number, chunk&& c)
    {
        one_shot_event* wake = nullptr;
        {
            const std::lock_guard lock(m_);
            // In order: the place that the number says. Otherwise: the next place.
            const std::size_t place = ordered_ ? number - taken_ : arrived_++ - taken_;
            if (places_.size() <= place)
                places_.resize(place + 1);
            places_[place].emplace(std::move(c));
            if (place == 0)
                wake = std::exchange(waiting_, nullptr);
        }
        if (wake)
            wake->set(); // the consumer waits for this even when its time is up, so the event is still there
    }

    /// The next chunk if it is there; else enters `e` (may be null) to be set when it comes.
    std::optional<chunk> take(one_shot_event* e)
    {
        const std::lock_guard lock(m_);
        if (places_.empty() || !places_.front()) {
            waiting_ = e;
            return std::nullopt;
        }
        std::optional<chunk> c = std::move(places_.front());
        places_.pop_front();
        ++taken_;
        return c;
    }

    /// Takes `e` out; false when it is being set.
    bool forget(one_shot_event* e)
    {
        const std::lock_guard lock(m_);
        if (waiting_ != e)
            return false;
        waiting_ = nullptr;
        return true;
    }

private:
    std::mutex m_;
    std::deque<std::optional<chunk>> places_;
    std::size_t taken_ = 0;   // chunks given to the consumer
    std::size_t arrived_ = 0; // chunks received, when not ordered
    one_shot_event* waiting_ = nullptr;
    const bool ordered_;
};

} // namespace tandem::detail
