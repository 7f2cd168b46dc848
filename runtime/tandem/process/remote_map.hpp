// For implementers of process pools; users include <tandem/process/process_pool.hpp>.
#pragma once

#include <tandem/combine/when_all.hpp>
#include <tandem/pool/options.hpp>
#include <tandem/process/detail/remote_task.hpp>
#include <tandem/process/detail/supervisor.hpp>
#include <tandem/process/remote_items.hpp>
#include <tandem/process/remote_work.hpp>
#include <tandem/sync/one_shot_event.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <iterator>
#include <mutex>
#include <optional>
#include <ranges>
#include <type_traits>
#include <utility>
#include <vector>

namespace tandem::detail {

/// How many items the next chunk of a map should have: enough that a call's own cost does not matter, few enough that all workers end at
/// about the same time. Not thread-safe.
class chunk_sizer {
public:
    /// `total` is 0 when it is not known.
    chunk_sizer(std::size_t fixed, std::size_t total, std::size_t workers) noexcept
        : fixed_(fixed), total_(total), workers_(workers)
    {
        // A first chunk this small cannot make one worker end much later than the others, however dear its items are.
        size_ = std::clamp<std::size_t>(total / (32 * workers), 1, most);
    }

    [[nodiscard]] std::size_t next(std::size_t taken) const noexcept
    {
        if (fixed_ != 0)
            return fixed_;
        std::size_t n = size_;
        if (total_ != 0)
            n = std::max(least_, std::min(n, (total_ - std::min(taken, total_)) / (2 * workers_)));
        return std::max<std::size_t>(n, 1);
    }
    /// A chunk of n items took so long.
    void took(std::size_t n, std::uint64_t nanoseconds) noexcept
    {
        // A call costs some tens of microseconds besides its work; against this it does not count. Towards the end chunks get smaller,
        // to a tenth. An item costs its way there and back, too.
        constexpr std::uint64_t aim = 2'000'000;
        const std::uint64_t each = std::max<std::uint64_t>(20, nanoseconds / n);
        const std::size_t best = std::clamp<std::size_t>(aim / each, 1, most);
        size_ =
            best < size_ ? best : std::min(best, std::max(size_, n * 16)); // up by and by: the first items may be the cheap ones
        least_ = std::min<std::size_t>(size_, aim / each / 10);
    }

private:
    static constexpr std::size_t most = 65'536;

    std::size_t fixed_;
    std::size_t total_;
    std::size_t workers_;
    std::size_t size_ = 1;
    std::size_t least_ = 1;
};

/// A map in workers: lanes that each send a chunk, wait for it, and send the next. The range is read by one lane at a time.
template <class View, class F>
class remote_map {
    using R = map_value_t<F, std::ranges::range_reference_t<View>>;
    static constexpr bool gives_nothing = std::is_void_v<R>;
    using results = std::conditional_t<gives_nothing, void, typename chunk_results<R>::type>;
    // Whether the results of a chunk are written where they belong, and need no vector of their own on the way.
    static constexpr bool in_place = [] {
        if constexpr (std::ranges::sized_range<View> && is_block<results>)
            return std::is_default_constructible_v<typename results::value_type>;
        else
            return false;
    }();

public:
    remote_map(View v, F f, const char* verb, const map_options& o, supervisor& s)
        : range_(std::move(v))
        , f_(std::move(f))
        , verb_(verb)
        , supervisor_(s)
        , progress_(nullptr)
        , sizer_(o.chunk, size_of_range(), s.size())
    {
    }

    /// `progress` is called under no lock of ours, one call at a time; it may be null.
    task<results> run(unique_function<void(std::size_t, std::size_t)>* progress)
    {
        progress_ = progress;
        // Twice as many as workers, so that the next chunk is there when one is done.
        std::size_t n = 2 * supervisor_.size();
        if (const std::size_t size = size_of_range(); size != 0 || std::ranges::sized_range<View>)
            n = std::min(n, size);
        if constexpr (in_place)
            together_.resize(size_of_range());
        std::vector<task<void>> lanes;
        for (std::size_t k = 0; k < n; ++k)
            lanes.push_back(lane());
        auto all = when_all(std::move(lanes));
        co_await std::move(all);
        if constexpr (in_place) {
            together_.resize(taken_);
            co_return std::move(together_);
        }
        else if constexpr (!gives_nothing) {
            if (chunks_.size() == 1)
                co_return std::move(chunks_.front());
            together_.reserve(taken_);
            for (auto& c : chunks_)
                together_.insert(together_.end(), std::make_move_iterator(c.begin()), std::make_move_iterator(c.end()));
            co_return std::move(together_);
        }
    }

private:
    struct chunk final : remote_task {
        void finish(remote_outcome&& o) noexcept override
        {
            outcome = std::move(o);
            done.set();
        }
        [[nodiscard]] bool cancelled() const noexcept override
        {
            return stop.stop_requested() || failed->load(std::memory_order_relaxed); // a hint; the error travels by another way
        }

        remote_outcome outcome;
        one_shot_event done;
        stop_token stop;
        std::atomic<bool>* failed = nullptr;
        nonvoid_chunk<R>* place = nullptr;
    };

    [[nodiscard]] std::size_t size_of_range()
    {
        if constexpr (std::ranges::sized_range<View>)
            return static_cast<std::size_t>(std::ranges::size(range_));
        else
            return 0;
    }

    task<void> lane()
    {
        const tandem::stop_token stop = co_await this_task::stop_token();
        payload used; // of the chunk before
        try {
            while (!failed_.load(std::memory_order_relaxed)) {
                if (stop.stop_requested())
                    throw operation_cancelled("map was asked to stop");
                chunk c;
                c.stop = stop;
                c.failed = &failed_;
                if (!claim(c, std::move(used)))
                    break;
                supervisor_.submit(c);
                co_await c.done.uninterrupted(); // it refers to this frame; a stop reaches it while it waits for a worker
                used = take(c);
            }
        }
        catch (...) {
            failed_.store(true, std::memory_order_relaxed);
            throw;
        }
    }

    /// Reads and encodes the next items; false at the end.
    bool claim(chunk& c, payload&& used)
    {
        encoder to;
        to.reuse(std::move(used));
        {
            const std::lock_guard lock(m_);
            if (std::exchange(over_, true)) // at its end, or it has thrown: not to be read again
                return false;
            const std::size_t n = sizer_.next(taken_);
            const std::size_t k = encode_items(to, n);
            over_ = k < n;
            if (k == 0)
                return false;
            c.first_item = taken_;
            c.items = k;
            taken_ += k;
            if constexpr (!gives_nothing && !in_place)
                c.place = &chunks_.emplace_back();
        }
        c.verb = verb_;
        set_function(c, &run_map_chunk<View, F>, f_);
        c.header.count = c.items;
        c.arguments = std::move(to).finish();
        return true;
    }

    /// The next n items, or as many as there are.
    std::size_t encode_items(encoder& to, std::size_t n)
    {
        using item = sent_item<View>;
        if constexpr (std::ranges::sized_range<View>)
            n = std::min(n, size_of_range() - taken_);
        if constexpr (sent_as_block<View> && std::ranges::contiguous_range<View> && std::ranges::sized_range<View>) {
            to.write(std::ranges::data(range_) + taken_, n * sizeof(item));
            return n;
        }
        else {
            std::vector<item> block; // when they go as one, else empty
            std::size_t k = 0;
            for (; k < n; ++k) {
                if (!it_)
                    it_.emplace(std::ranges::begin(range_));
                else
                    ++*it_;
                if (*it_ == std::ranges::end(range_))
                    break;
                if constexpr (sent_as_block<View>)
                    block.push_back(**it_);
                else
                    encode_item(to, **it_);
            }
            if constexpr (sent_as_block<View>)
                to.write(block.data(), block.size() * sizeof(item));
            return k;
        }
    }

    static void encode_item(encoder& to, std::ranges::range_reference_t<View>&& item)
    {
        const sent_item<View>& value = item;
        try {
            codec<sent_item<View>>::encode(to, value);
        }
        catch (...) {
            throw_codec_error("an argument could not be encoded", std::current_exception());
        }
    }

    /// Returns the arguments, which are done with.
    payload take(chunk& c)
    {
        const std::uint64_t nanoseconds = c.outcome.nanoseconds;
        if (c.outcome.error)
            std::rethrow_exception(c.outcome.error);
        decode_result(c.outcome.value, [&](decoder& from) {
            if constexpr (in_place)
                decode_block_to(from, together_.data() + c.first_item, c.items);
            else if constexpr (!gives_nothing) {
                *c.place = codec<results>::decode(from);
                if (c.place->size() != c.items)
                    throw codec_error("decode: a worker gave another number of results than it got items");
            }
        });
        const std::lock_guard lock(m_);
        sizer_.took(c.items, nanoseconds);
        done_ += c.items;
        if (progress_)
            (*progress_)(done_, std::max(size_of_range(), done_));
        return std::move(c.arguments);
    }

    std::mutex m_;
    View range_;
    F f_;
    const char* verb_;
    supervisor& supervisor_;
    unique_function<void(std::size_t, std::size_t)>* progress_;
    chunk_sizer sizer_;
    std::optional<std::ranges::iterator_t<View>> it_;
    bool over_ = false;
    std::size_t taken_ = 0;
    std::size_t done_ = 0;
    nonvoid_chunk<R> together_{};
    std::deque<nonvoid_chunk<R>> chunks_; // unless in place; keeps its elements where they are
    std::atomic<bool> failed_{false};
};

/// The whole as a task that owns it.
template <class View, class F>
auto map_in_workers(View v, F f, const char* verb, map_options o, supervisor& s)
    -> task<await_result_t<decltype(std::declval<remote_map<View, F>&>().run(nullptr))>>
{
    remote_map<View, F> m(std::move(v), std::move(f), verb, o, s);
    co_return co_await m.run(o.progress ? &o.progress : nullptr);
}

} // namespace tandem::detail
