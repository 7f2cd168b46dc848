// Values that count what happens to them.
#pragma once

#include <atomic>
#include <utility>

namespace tandem::test {

/// What happened to the `tracked` values that count here. Any thread may read it.
struct tally {
    std::atomic<int> copies{0};
    std::atomic<int> moves{0};
    std::atomic<int> alive{0};
};

/// An int that counts its copies, moves and live objects in a `tally`. A moved-from one counts as alive, and its value is -1.
class tracked {
public:
    explicit tracked(tally& t, int v = 0) noexcept : value(v), tally_(&t) { ++tally_->alive; }
    tracked(const tracked& other) noexcept : value(other.value), tally_(other.tally_)
    {
        ++tally_->copies;
        ++tally_->alive;
    }
    tracked(tracked&& other) noexcept : value(std::exchange(other.value, -1)), tally_(other.tally_)
    {
        ++tally_->moves;
        ++tally_->alive;
    }
    tracked& operator=(const tracked& other) noexcept
    {
        value = other.value;
        ++tally_->copies;
        return *this;
    }
    tracked& operator=(tracked&& other) noexcept
    {
        value = std::exchange(other.value, -1);
        ++tally_->moves;
        return *this;
    }
    ~tracked() { --tally_->alive; }

    int value;

private:
    tally* tally_;
};

} // namespace tandem::test
