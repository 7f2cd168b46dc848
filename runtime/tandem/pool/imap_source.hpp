#pragma once
// The range's side of an imap: items read in chunks, and each chunk submitted as a call. For implementers of pools.

#include <tandem/base/outcome.hpp>
#include <tandem/combine/map.hpp>
#include <tandem/combine/when_all.hpp>
#include <tandem/pool/detail/imap_inbox.hpp>
#include <tandem/pool/detail/kept_item.hpp>
#include <tandem/pool/detail/work.hpp>
#include <tandem/pool/imap_engine.hpp>
#include <tandem/pool/options.hpp>

#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <ranges>
#include <type_traits>
#include <utility>
#include <vector>

namespace tandem::detail {

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

} // namespace tandem::detail
