#pragma once

#include <tandem/base/deadline.hpp>
#include <tandem/base/errc.hpp>
#include <tandem/base/outcome.hpp>
#include <tandem/combine/map.hpp>
#include <tandem/combine/result_buffer.hpp>
#include <tandem/combine/when_all.hpp>
#include <tandem/pool/async_result.hpp>
#include <tandem/pool/detail/kept_item.hpp>
#include <tandem/pool/detail/work.hpp>
#include <tandem/pool/options.hpp>

#include <chrono>
#include <cstddef>
#include <deque>
#include <exception>
#include <iterator>
#include <memory>
#include <mutex>
#include <optional>
#include <ranges>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace tandem {

namespace detail {

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

/// The calls for one chunk of items; gives the outcome of each.
template <class View, class F>
struct imap_call {
    using item = std::ranges::range_reference_t<View>;
    using R = map_value_t<F, item>;
    using chunk = std::vector<outcome<R>>;
    using raw_result = std::conditional_t<maps_tasks<View, F>, task<chunk>, chunk>;

    raw_result operator()()
    {
        if constexpr (maps_tasks<View, F>)
            return all(*f, items);
        else {
            chunk results(items.size());
            for (std::size_t i = 0; i < items.size(); ++i)
                capture(results[i], *f, items[i].give());
            return results;
        }
    }

    // The arguments are parts of the call, which lives until the task has ended.
    static task<chunk> all(F& f, std::vector<kept_item<View>>& items)
    {
        std::vector<task<R>> calls;
        for (auto& i : items)
            calls.push_back(one(f, i));
        auto settled = when_all_settled(std::move(calls));
        co_return co_await std::move(settled);
    }
    static task<R> one(F& f, kept_item<View>& i)
    {
        // In a coroutine of its own, so that what `f` throws when called belongs to this item.
        auto call = detail::invoke(f, i.give());
        co_return co_await std::move(call);
    }

    std::shared_ptr<F> f;
    std::vector<kept_item<View>> items;
};

/// Delivers a chunk, also one whose call was cancelled before it began.
template <class R>
struct imap_sequel {
    using chunk = std::vector<outcome<R>>;

    void operator()(outcome<chunk>& o, result_state_base& state) noexcept
    {
        state.mark_seen();
        chunk results;
        if (o.has_value())
            results = std::move(*o);
        else {
            results.resize(size);
            for (outcome<R>& r : results)
                r.set_error(o.error());
        }
        inbox->put(number, std::move(results));
    }

    std::shared_ptr<imap_inbox<R>> inbox;
    std::size_t number;
    std::size_t size;
};

template <class T>
using imap_value = std::conditional_t<std::is_void_v<T>, std::monostate, stored_result<T>>;

/// The consumer's side of an imap; the types of its pool, range and function are in the derived class.
template <class R>
class imap_engine {
public:
    using value = imap_value<R>;
    using chunk = std::vector<outcome<R>>;

    imap_engine(bool ordered, const imap_options& o) : options_(o), inbox_(std::make_shared<imap_inbox<R>>(ordered)) {}
    imap_engine(const imap_engine&) = delete;
    imap_engine& operator=(const imap_engine&) = delete;
    virtual ~imap_engine()
    {
        for (const async_result<chunk>& c : calls_)
            c.cancel();
        for (const async_result<chunk>& c : calls_)
            c.wait();
    }

    enum class step { value, end, wait };

    /// Puts the next result into `out`, or throws its error; or says that it is the end; or enters `e` to be set when there is more.
    step advance(std::optional<value>& out, one_shot_event& e)
    {
        for (;;) {
            if (next_ < current_.size()) {
                outcome<R>& o = current_[next_++];
                if constexpr (std::is_void_v<R>) {
                    o.value();
                    out.emplace();
                }
                else
                    out.emplace(std::move(o).value());
                return step::value;
            }
            fill();
            if (on_the_way_ == 0) {
                if (range_error_)
                    std::rethrow_exception(std::exchange(range_error_, nullptr));
                return step::end;
            }
            std::optional<chunk> c = inbox_->take(&e);
            if (!c)
                return step::wait;
            current_ = std::move(*c);
            next_ = 0;
            --on_the_way_;
            while (!calls_.empty() && calls_.front().ready())
                calls_.pop_front();
        }
    }

    /// Whether `e`, entered by advance, was taken out; false when it is being set.
    bool forget(one_shot_event& e) { return inbox_->forget(&e); }

    /// Reads and submits until the window is full or the range at its end. The constructor of the results does it first.
    void fill()
    {
        while (!exhausted_ && on_the_way_ < options_.window / options_.chunk)
            try {
                if (submit_chunk())
                    ++on_the_way_;
                else
                    exhausted_ = true;
            }
            catch (...) {
                range_error_ = std::current_exception();
                exhausted_ = true;
            }
    }

protected:
    /// Reads up to a chunk of items and submits them; false when there is none. What it throws ends the range; if items were read
    /// before, they are submitted first and the exception is thrown by the next call.
    virtual bool submit_chunk() = 0;

    const imap_options options_;
    const std::shared_ptr<imap_inbox<R>> inbox_;
    std::deque<async_result<chunk>> calls_;
    std::size_t submitted_ = 0; // chunks

private:
    chunk current_;
    std::size_t next_ = 0;
    std::size_t on_the_way_ = 0; // chunks submitted, but not taken out of the inbox
    bool exhausted_ = false;
    std::exception_ptr range_error_;
};

template <class Pool, class View, class F>
class imap_over final : public imap_engine<map_value_t<F, std::ranges::range_reference_t<View>>> {
    using R = map_value_t<F, std::ranges::range_reference_t<View>>;

public:
    imap_over(Pool& p, const char* verb, bool ordered, F&& f, View&& v, const imap_options& o)
        : imap_engine<R>(ordered, o), pool_(&p), verb_(verb), f_(std::make_shared<F>(std::move(f))), range_(std::move(v))
    {
    }

private:
    bool submit_chunk() override
    {
        if (late_error_)
            std::rethrow_exception(std::exchange(late_error_, nullptr));
        std::vector<kept_item<View>> items;
        try {
            while (items.size() < this->options_.chunk) {
                // One step at a time, and none before it is needed: reading may block, or have effects.
                if (!it_)
                    it_.emplace(std::ranges::begin(range_));
                else if (*it_ != std::ranges::end(range_))
                    ++*it_;
                if (*it_ == std::ranges::end(range_))
                    break;
                items.emplace_back(**it_);
            }
        }
        catch (...) {
            if (items.empty())
                throw;
            late_error_ = std::current_exception();
        }
        if (items.empty())
            return false;
        const std::size_t n = items.size();
        this->calls_.push_back(
            pool_->launch(verb_, imap_call<View, F>{f_, std::move(items)}, imap_sequel<R>{this->inbox_, this->submitted_, n}));
        ++this->submitted_;
        return true;
    }

    Pool* pool_;
    const char* verb_;
    std::shared_ptr<F> f_;
    View range_;
    std::optional<std::ranges::iterator_t<View>> it_;
    std::exception_ptr late_error_;
};

} // namespace detail

/// The results of an imap, one by one: by range-for, `next`, `next_for`, or `co_await async_next()`.
///
/// An item whose call threw makes the `next` that would give it throw the same; the one after it goes on with the next item. What the
/// range threw comes after the results of the items read before it, and is the end. The destructor cancels what has not begun
/// and waits for what has. Thread safety: one thread at a time. Lifetime: must not outlive the pool.
template <class R>
class imap_results {
    using engine = detail::imap_engine<R>;

public:
    using value_type = typename engine::value;

    /// The next result, or nothing at the end. Blocks until there is one.
    std::optional<value_type> next()
    {
        std::optional<value_type> v;
        for (;;) {
            one_shot_event e;
            if (engine_->advance(v, e) != engine::step::wait)
                return v;
            e.wait();
        }
    }

    /// As `next`; throws timeout_error when there is none within `d`, and then may be called again.
    template <class Rep, class Period>
    std::optional<value_type> next_for(std::chrono::duration<Rep, Period> d)
    {
        const auto until = deadline_after(d);
        std::optional<value_type> v;
        for (;;) {
            one_shot_event e;
            if (engine_->advance(v, e) != engine::step::wait)
                return v;
            if (e.wait_until(std::chrono::duration_cast<std::chrono::nanoseconds>(until.time_since_epoch()).count()))
                continue;
            if (engine_->forget(e))
                throw timeout_error("next_for: no result within the time given");
            e.wait(); // it is being set just now
        }
    }

    /// `co_await results.async_next()`: as `next`, suspending instead of blocking. One at a time.
    task<std::optional<value_type>> async_next()
    {
        std::optional<value_type> v;
        for (;;) {
            one_shot_event e;
            if (engine_->advance(v, e) != engine::step::wait)
                co_return v;
            std::exception_ptr stopped;
            try {
                co_await e;
            }
            catch (...) {
                stopped = std::current_exception();
            }
            if (stopped) {
                if (!engine_->forget(e))
                    co_await e.uninterrupted(); // it is being set just now
                std::rethrow_exception(stopped);
            }
        }
    }

    class iterator {
    public:
        using value_type = typename imap_results::value_type;
        using difference_type = std::ptrdiff_t;
        using iterator_concept = std::input_iterator_tag;

        iterator() noexcept = default;
        value_type& operator*() const noexcept { return *owner_->current_; }
        iterator& operator++()
        {
            owner_->current_ = owner_->next();
            return *this;
        }
        void operator++(int) { ++*this; }
        friend bool operator==(const iterator& i, std::default_sentinel_t) noexcept { return i.at_end(); }

    private:
        friend imap_results;
        [[nodiscard]] bool at_end() const noexcept { return !owner_->current_; }
        explicit iterator(imap_results& o) noexcept : owner_(&o) {}
        imap_results* owner_ = nullptr;
    };

    /// Waits for the first result. The results are gone through once.
    iterator begin()
    {
        current_ = next();
        return iterator(*this);
    }
    [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

    /// For implementers of pools.
    explicit imap_results(std::unique_ptr<engine> e) : engine_(std::move(e)) { engine_->fill(); }

private:
    std::unique_ptr<engine> engine_;
    std::optional<value_type> current_;
};

namespace detail {

template <class F, class View, class Pool>
auto make_imap(Pool& p, const char* verb, bool ordered, F f, View v, const imap_options& o)
{
    using R = map_value_t<F, std::ranges::range_reference_t<View>>;
    return imap_results<R>(std::make_unique<imap_over<Pool, View, F>>(p, verb, ordered, std::move(f), std::move(v), o));
}

} // namespace detail

} // namespace tandem
