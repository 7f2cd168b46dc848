#pragma once

#include <tandem/base/deadline.hpp>
#include <tandem/base/errc.hpp>
#include <tandem/pool/imap_engine.hpp>
#include <tandem/pool/imap_source.hpp>
#include <tandem/pool/options.hpp>
#include <tandem/sync/one_shot_event.hpp>
#include <tandem/task/task.hpp>

#include <chrono>
#include <cstddef>
#include <exception>
#include <iterator>
#include <memory>
#include <optional>
#include <ranges>
#include <utility>

namespace tandem {

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
