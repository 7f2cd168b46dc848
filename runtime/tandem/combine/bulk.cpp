#include <tandem/combine/bulk.hpp>
#include <tandem/task/waiting.hpp>

#include <algorithm>
#include <chrono>
#include <thread>

namespace tandem {

namespace {

using steady_clock = std::chrono::steady_clock;

constexpr auto time_slice = std::chrono::microseconds(500);

/// How many items a participant claims at once, as long as nobody said so: from one item up, by how long the last ones took.
class chunk_size {
public:
    [[nodiscard]] std::size_t of(std::size_t items_left, std::size_t participants) const noexcept
    {
        return std::max(shortest_, std::min(size_, items_left / (2 * participants) + 1));
    }
    void took(std::size_t items, steady_clock::duration time) noexcept
    {
        const double ns = std::max(std::chrono::duration<double, std::nano>(time).count(), 1.0);
        const double per_ns = static_cast<double>(items) / ns;
        shortest_ = std::max<std::size_t>(1, static_cast<std::size_t>(per_ns * shortest_ns));
        if (ns < short_ns)
            size_ = items * std::clamp<std::size_t>(static_cast<std::size_t>(short_ns / ns), 2, most_growth);
        else if (ns > long_ns)
            size_ = std::max<std::size_t>(1, items / 2);
    }

private:
    // One that takes less than this is not worth its claim and two readings of the clock; one that takes much longer delays the end of the loop.
    static constexpr double short_ns = 20'000;
    static constexpr double long_ns = 100'000;
    // Not even for an even end.
    static constexpr double shortest_ns = 500;
    static constexpr std::size_t most_growth = 16; // at once: the next items may be dearer

    std::size_t size_ = 1;
    std::size_t shortest_ = 1;
};

} // namespace

struct bulk::helper final : job {
    helper() noexcept : job(&take_part) {}
    static void take_part(job* j) noexcept
    {
        bulk* const b = static_cast<helper*>(j)->owner;
        if (b->participate_as_helper())
            b->scheduler_->repeat(*j);
        else
            b->release();
    }
    static detail::job_kind::description describe(const job&) noexcept { return {nullptr, "an item of a map"}; }
    static inline const detail::job_kind kind{&take_part, &describe};
    bulk* owner = nullptr;
};

bulk::~bulk() { delete[] helpers_; }

void bulk::release() noexcept
{
    // acq_rel: whoever destroys it comes after everybody's last use
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1)
        delete this;
}

void bulk::start(scheduler& s, std::size_t helpers, bool caller_takes_part)
{
    scheduler_ = &s;
    caller_takes_part_ = caller_takes_part;
    sink_ = &s.unhandled();
    helpers = std::min(helpers, count_);
    participants_ = helpers + (caller_takes_part ? 1 : 0);
    helpers_ = new helper[helpers + 1];
    helper_count_ = helpers;
    references_.fetch_add(static_cast<int>(helpers), std::memory_order_relaxed);
    for (std::size_t k = 0; k < helpers; ++k) {
        helpers_[k].owner = this;
        s.post(helpers_[k]);
    }
}

void bulk::participate_later(scheduler& s)
{
    add_reference();
    helpers_[helper_count_].owner = this;
    s.post(helpers_[helper_count_]);
}

// The caller takes from the front and the helpers from the back; where there is no caller, half of the workers does each.
bool bulk::participate_as_helper() noexcept
{
    const worker* const w = this_worker(); // none on a thread that helps out
    return participate(w && !caller_takes_part_ && 2 * w->index() < scheduler_->size() ? side::front : side::back);
}

bool bulk::participate(side from) noexcept
{
    worker* const w = this_worker();
    steady_clock::time_point before = steady_clock::now();
    const steady_clock::time_point deadline = before + time_slice;
    chunk_size automatic;
    for (;;) {
        const std::size_t size = chunk_ != 0 ? chunk_ : automatic.of(unclaimed_.left(), participants_);
        const auto claimed = unclaimed_.claim(size, from);
        if (!claimed)
            return false;
        const std::size_t items = claimed->end - claimed->begin;
        try {
            if (stop_.stop_requested())
                throw operation_cancelled("map was asked to stop");
            run(claimed->begin, claimed->end);
            if (progress_)
                report_progress(items);
        }
        catch (...) {
            fail(std::current_exception());
        }
        const auto after = steady_clock::now();
        if (chunk_ == 0)
            automatic.took(items, after - before);
        before = after;
        ended(items);
        if (w && !claimed->was_last && after >= deadline) {
            w->end_slice();
            return true;
        }
    }
}

void bulk::fail(std::exception_ptr error) noexcept
{
    if (!failed_.exchange(true, std::memory_order_relaxed))
        error_ = std::move(error); // published by remaining_: this participant's own items are still to be subtracted
    if (const std::size_t rest = unclaimed_.give_up())
        ended(rest);
}

void bulk::ended(std::size_t items) noexcept
{
    // acq_rel: the last one sees the results and the error of all
    if (remaining_.fetch_sub(items, std::memory_order_acq_rel) == items) {
        finished();
        done.set();
    }
}

void bulk::report_progress(std::size_t items) noexcept
{
    // Called before these items are subtracted from remaining_, so `done` is not set yet and the function is still there.
    const std::size_t completed = completed_.fetch_add(items, std::memory_order_relaxed) + items;
    // One at a time; a report that would have to wait is dropped, but for the last, which nobody may miss.
    while (reporting_.exchange(true, std::memory_order_acquire)) {
        if (completed != count_)
            return;
        std::this_thread::yield();
    }
    const std::size_t now = completed_.load(std::memory_order_relaxed);
    if (now > reported_) {
        reported_ = now;
        try {
            (*progress_)(now, count_);
        }
        catch (...) {
            sink_->report(std::current_exception());
        }
    }
    reporting_.store(false, std::memory_order_release);
}

} // namespace tandem
