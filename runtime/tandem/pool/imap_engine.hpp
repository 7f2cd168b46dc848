#pragma once
// The consumer's side of an imap. For implementers of pools.

#include <tandem/base/outcome.hpp>
#include <tandem/combine/result_buffer.hpp>
#include <tandem/pool/async_result.hpp>
#include <tandem/pool/detail/imap_inbox.hpp>
#include <tandem/pool/options.hpp>
#include <tandem/sync/one_shot_event.hpp>

#include <cstddef>
#include <deque>
#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace tandem::detail {

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

} // namespace tandem::detail
