#include <tandem/sched/detail/followers.hpp>

#include <tandem/sched/detail/scheduler_state.hpp>
#include <tandem/sched/scheduler.hpp>

#include <asio/post.hpp>

#include <algorithm>
#include <utility>

namespace tandem::detail {

namespace {

constexpr std::chrono::microseconds longest_term{8000}; // each costs some 40 microseconds of a processor
constexpr std::chrono::microseconds longest_trial{1'000'000};
constexpr std::chrono::microseconds most_patience{512'000};
// So many terms at half the rate mean that the handlers are no longer those with which the last trial failed.
constexpr int slow_terms_for_trial = 4;
// A probe that took longer has waited behind others.
constexpr std::chrono::microseconds late{100};
// Fewer handlers make no rate.
constexpr std::uint64_t fewest_counted = 32;

} // namespace

bool followers::follow(asio::thread_pool& pool) noexcept
{
    follower self;
    std::unique_lock lock(m_);
    if (ended_ || serving_.load(std::memory_order_relaxed) <= 1 || trial_goes_on())
        return false;
    try {
        waiting_.push_back(&self);
    }
    catch (...) { // no memory: then it serves
        return false;
    }
    serving_.fetch_sub(1, std::memory_order_relaxed);
    following_.fetch_add(1, std::memory_order_relaxed);
    since_ = now();
    late_for_ = {};
    while (self.called == call::none)
        if (waiting_.front() != &self)
            self.changed.wait(lock);
        else if (!look_after_leaders(pool, self, lock)) {
            waiting_.pop_front();
            leaves();
            break;
        }
    if (!waiting_.empty())
        waiting_.front()->changed.notify_one(); // it may have become the first
    return self.called == call::pump;
}

/// Handlers per second.
double followers::rate(const mark& from, const mark& to) noexcept
{
    return static_cast<double>(to.handlers - from.handlers) / std::chrono::duration<double>(to.at - from.at).count();
}

/// Whether there is a trial, and it has to go on: it was too short to tell, or it pays.
bool followers::trial_goes_on() noexcept
{
    if (!on_trial_)
        return false;
    const mark m = now();
    if (m.handlers - since_.handlers >= fewest_counted) {
        on_trial_ = false;
        const auto others = static_cast<double>(serving_.load(std::memory_order_relaxed) - 1);
        if (rate(since_, m) < rate_ * (1 + 0.5 / others)) {
            trial_ = shortest_trial;
            patience_ = std::min(patience_ * 2, most_patience);
            return false;
        }
        trial_ = std::min(trial_ * 4, longest_trial);
        patience_ = std::max(patience_ / 4, shortest_term); // not all of it: over so short a time it may have been luck
    }
    next_follow_.store(m.at + trial_, std::memory_order_relaxed);
    return true;
}

void followers::send_probe(asio::thread_pool& pool, std::unique_lock<std::mutex>& lock)
{
    const std::uint64_t number = ++probe_;
    probe_took_ = clock::duration::max();
    lock.unlock();
    try {
        asio::post(pool, [this, number, sent = clock::now()] {
            const std::lock_guard guard(m_);
            if (number == probe_)
                probe_took_ = clock::now() - sent;
        });
    }
    catch (...) { // no memory: it is one that does not come back
    }
    lock.lock();
}

/// Waits for a term; false when this follower should serve.
bool followers::look_after_leaders(asio::thread_pool& pool, follower& self, std::unique_lock<std::mutex>& lock)
{
    const mark before = now();
    send_probe(pool, lock);
    if (self.changed.wait_for(lock, term_, [&] { return self.called != call::none; }))
        return true;
    const mark after = now();
    const auto term = term_;
    if (probe_took_ <= shortest_term)
        term_ = std::min(term_ * 2, longest_term);
    else // and longer where there is a queue that one more does not make shorter
        term_ = std::clamp(std::chrono::microseconds(patience_ / 32), shortest_term, longest_term);
    if (after.handlers == before.handlers) {
        // Nothing to do just now; or they are stuck, and may be so again.
        trial_ = probe_took_ == clock::duration::max() ? std::min(trial_ * 4, longest_trial) : shortest_trial;
        return false;
    }
    if (probe_took_ <= shortest_term)
        trial_ = std::max(trial_ / 4, shortest_trial); // the leader that was stuck had only lost its processor
    if (probe_took_ < late) {
        since_ = after;
        late_for_ = {};
        return true;
    }
    late_for_ += term;
    if (rate(before, after) >= rate_ / 2)
        slow_terms_ = 0;
    else if (++slow_terms_ == 1)
        since_ = before;
    if ((late_for_ < patience_ && slow_terms_ < slow_terms_for_trial) || after.handlers - since_.handlers < fewest_counted)
        return true;
    rate_ = rate(since_, after);
    slow_terms_ = 0;
    on_trial_ = true;
    return false;
}

/// One that followed is about to serve.
void followers::leaves() noexcept
{
    serving_.fetch_add(1, std::memory_order_seq_cst); // see watch()
    following_.fetch_sub(1, std::memory_order_relaxed);
    since_ = now();
    late_for_ = {};
    next_follow_.store(since_.at + trial_, std::memory_order_relaxed);
}

bool followers::call_one(call c) noexcept
{
    if (following_.load(std::memory_order_relaxed) == 0)
        return false;
    const std::lock_guard lock(m_);
    if (waiting_.empty())
        return false;
    follower& f = *waiting_.back();
    waiting_.pop_back();
    leaves();
    f.called = c;
    f.changed.notify_one(); // under the lock: it is gone as soon as it has seen that
    return true;
}

void followers::end() noexcept
{
    {
        const std::lock_guard lock(m_);
        ended_ = true;
    }
    while (call_one(call::serve)) {}
}

followers::mark followers::now() const noexcept
{
    const std::size_t n = state_.worker_count.load(std::memory_order_acquire);
    std::uint64_t handlers = 0;
    for (std::size_t k = 0; k < n; ++k)
        handlers += state_.workers[k].load(std::memory_order_acquire)->handlers();
    return {clock::now(), handlers};
}

} // namespace tandem::detail
