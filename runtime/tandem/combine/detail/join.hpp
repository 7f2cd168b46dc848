#pragma once

#include <tandem/sched/scheduler.hpp>
#include <tandem/task/frame_memory.hpp>
#include <tandem/task/task.hpp>

#include <atomic>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <new>
#include <type_traits>

namespace tandem::detail {

class join;

/// What decides a join before all its children have ended. Then the rest are asked to stop, and what has not begun does not begin.
enum class join_policy : unsigned char {
    none,          ///< nothing: every child runs to its end
    first_error,   ///< the first that fails
    first_end,     ///< the first that ends
    first_success, ///< the first that ends without an error
};

/// Whether the last child, when all before it ran inline, may continue the parent without a report to the join: what such a policy has to know
/// of it is seen in its task.
constexpr bool last_needs_no_report(join_policy p) noexcept { return p == join_policy::none || p == join_policy::first_error; }

/// One child of a join: what is queued, and what learns that the child ended. The children of a join lie in one array, right behind it.
///
/// All but the first are prepared to continue the parent at their end. That is right for the last one when all before it ran inline, since
/// nobody else ever looked at the join then; any other is made to report here when it begins.
struct join_child final : job, completion {
    /// The first child, which runs at once, and need not be ready to be queued.
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init)
    join_child(completion::function* report, std::uint32_t place) noexcept : completion(report), credit(0), place_(place) {}
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init)
    join_child(std::coroutine_handle<> h, std::uint32_t place) noexcept : job(&run), credit(0), place_(place), task_(h.address()) {}
    [[nodiscard]] std::coroutine_handle<> handle() const noexcept { return std::coroutine_handle<>::from_address(task_); }
    /// Of child i of n. `shortcut`: the last may continue the parent without a report.
    static constexpr std::uint32_t place(std::size_t i, std::size_t n, bool shortcut) noexcept
    {
        return static_cast<std::uint32_t>(i * 4 + (shortcut && i + 2 == n ? 2 : 0) + (i + 1 == n ? 1 : 0));
    }
    [[nodiscard]] bool is_last() const noexcept { return (place_ & 1) != 0; }
    /// Whether with the end of this one all siblings have run inline but the last, which may continue the parent.
    [[nodiscard]] bool leaves_the_last() const noexcept { return place_ == credit * 4 + 2; }
    /// Among the siblings.
    [[nodiscard]] std::uint32_t index() const noexcept { return place_ / 4; }
    [[nodiscard]] const join_child& first() const noexcept { return *(this - index()); }
    [[nodiscard]] join& owner() const noexcept;
    /// For a first child that is queued all the same.
    void prepare_to_queue(std::coroutine_handle<> h) noexcept
    {
        execute_ = &run;
        task_ = h.address();
    }
    /// Before it is started, on whichever thread.
    void report_end() noexcept
    {
        if (index() != 0)
            done_ = first().done_; // nobody writes to the first's
        promise_base::of(handle()).notify(*this);
    }

    static void run(job* j) noexcept;
    /// The same of one that stands for a range: itself and `credit - 1` siblings after it, none of which is queued yet.
    static void run_range(job* j) noexcept;
    [[nodiscard]] bool is_range() const noexcept { return execute_ == &run_range; }
    /// `Ranges`: of a join whose children may stand for ranges. One function for all children: an indirect call that has two targets by
    /// turns costs some processors several times what one with a single target does, however well they know which comes next.
    template <join_policy Policy, bool Ranges>
    static std::coroutine_handle<> ended(completion* c, const std::exception_ptr& error) noexcept;

    std::uint32_t credit; // siblings that ended before, inline, without being counted; of a range, how many it stands for

private:
    // Four times the index, 2 for the last but one if the last may take the shortcut, and 1 for the last: a branch that hangs on one load is
    // sooner found to be mispredicted than one on three.
    std::uint32_t place_;
    void* task_; // a plain pointer, since the first child has none, and a handle would be cleared
};

/// Runs several tasks and continues the parent when all have ended: fork and join.
///
/// All children but the first are queued on the forking worker, and the first runs at once, inline. When a child ends on that worker
/// and its next sibling is still at the bottom of the worker's queue, nobody else has seen that sibling: it runs next, inline, and
/// carries the credit for those that ended before it; the last then continues the parent, as if it alone were awaited. Only when a
/// sibling was stolen, or a child ends elsewhere, is the credit handed in at the shared counter. A join of which nothing was stolen does no atomic read-modify-write but the queue's own.
///
/// Where there are many children they are queued as ranges, each of which is halved when its turn comes: a thief takes half of what is left,
/// not one by one, and the queue holds as many entries as the number has digits.
///
/// It lives in a join_room, which has the place of the children behind it.
class join {
public:
    /// Of n children, n > 0; `waiting` continues when all have ended.
    TANDEM_ALWAYS_INLINE join(const environment& parent, std::size_t n, std::coroutine_handle<> waiting) noexcept
        : env(parent), parent_(waiting), left_(n)
    {
    }

    /// Starts the children, which are prepared with `env`; returns what to run next. The arguments are those of the constructor, the
    /// parent's context and the first child's coroutine, which need not be read back. Whatever is seldom is a call at the very end, so that
    /// the way through saves no registers.
    TANDEM_ALWAYS_INLINE std::coroutine_handle<> start(
        const context* ctx, join_child* first, std::coroutine_handle<> h, std::size_t n) noexcept
    {
        worker* const w = this_worker();
        if (TANDEM_UNLIKELY(!w || ctx != &w->owner()))
            return start_elsewhere(first, h);
        const std::size_t rest = n == 0 ? 0 : n - 1; // none is never started, but compiled
        const auto from_last = [=](std::size_t k) { return first + (rest - k); };
        if (TANDEM_UNLIKELY(!w->count_step() || !w->forks.try_push(rest, from_last)))
            return start_with_care(first, h);
        if (n > 1 && TANDEM_UNLIKELY(w->owner().needs_notify()))
            return notify_and_start(h);
        return transfer(h);
    }

    /// The same for any number of children, as ranges.
    std::coroutine_handle<> start_range(const context* ctx, join_child* first, std::coroutine_handle<> h, std::size_t n) noexcept;

    // After the join.
    /// What the child threw that failed first, or null; under first_error and first_success only.
    template <join_policy Policy>
    [[nodiscard]] const std::exception_ptr* error() const noexcept
    {
        if constexpr (Policy == join_policy::first_error)
            if (TANDEM_LIKELY(decider_.load(std::memory_order_relaxed) == nullptr))
                return nullptr; // and failed_ was never set
        return failed_.load(std::memory_order_relaxed);
    }
    /// Whether there is a decider, or a callback below had the source linked: by one branch, for both are seldom.
    [[nodiscard]] bool decided_or_linked() const noexcept
    {
        return (static_cast<unsigned>(decider() != nullptr) | static_cast<unsigned>(env.stop.is_linked())) != 0;
    }
    /// The child that decided the join, or null.
    [[nodiscard]] const join_child* decider() const noexcept { return decider_.load(std::memory_order_relaxed); }

    /// Where the first child is, or is to be made.
    [[nodiscard]] join_child* children() noexcept
    {
        return reinterpret_cast<join_child*>(reinterpret_cast<std::byte*>(this) + sizeof(join));
    }

    environment env; // the children's

private:
    friend join_child;
    friend struct join_kinds;

    std::coroutine_handle<> start_elsewhere(join_child* first, std::coroutine_handle<> h) noexcept;
    std::coroutine_handle<> start_with_care(join_child* first, std::coroutine_handle<> h) noexcept;
    static std::coroutine_handle<> notify_and_start(std::coroutine_handle<> h) noexcept;
    template <join_policy Policy>
    std::coroutine_handle<> child_failed(join_child* c, const std::exception_ptr& error) noexcept;
    bool decide(join_child* c) noexcept;
    /// The join was decided before this child was started: there is no point in starting it.
    [[nodiscard]] bool pointless() const noexcept { return TANDEM_UNLIKELY(decider_.load(std::memory_order_relaxed) != nullptr); }
    template <bool Ranges, bool Shortcut>
    static std::coroutine_handle<> child_ended(join_child* c) noexcept;
    static std::coroutine_handle<> any_child_ended(join_child* c) noexcept;
    static std::coroutine_handle<> hand_in(join_child* c) noexcept;
    static std::coroutine_handle<> continue_contended(join_child* c) noexcept;
    template <bool Ranges>
    static std::coroutine_handle<> continue_after(join_child* c) noexcept;
    static void halve(worker& w, join_child* first, std::size_t n) noexcept;

    const std::coroutine_handle<> parent_;
    std::atomic<std::size_t> left_; // of the children, to be handed in; published to thieves by the push
    std::atomic<join_child*> decider_{nullptr};
    std::atomic<const std::exception_ptr*> failed_{nullptr}; // what the child threw that failed first, in its frame
};

inline join& join_child::owner() const noexcept
{
    const std::byte* const behind = reinterpret_cast<const std::byte*>(&first());
    return *reinterpret_cast<join*>(const_cast<std::byte*>(behind - sizeof(join)));
}

/// Room for a join and N children, in place.
template <std::size_t N>
class join_room {
public:
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): all is made when the join starts
    join_room() noexcept {}
    [[nodiscard]] void* allocate(std::size_t) noexcept { return bytes_; }
    /// The join, once it is made.
    [[nodiscard]] join& get() noexcept { return *std::launder(reinterpret_cast<join*>(bytes_)); }

private:
    alignas(join) std::byte bytes_[sizeof(join) + N * sizeof(join_child)];
};

/// The same for a number of children that is known only then, in the memory of frames.
class join_block {
public:
    join_block() noexcept = default;
    ~join_block()
    {
        if (block_)
            frame_free(block_, size_);
    }
    join_block(const join_block&) = delete;
    join_block& operator=(const join_block&) = delete;

    [[nodiscard]] void* allocate(std::size_t n)
    {
        size_ = sizeof(join) + n * sizeof(join_child);
        block_ = frame_allocate(size_);
        return block_;
    }
    [[nodiscard]] join& get() noexcept { return *static_cast<join*>(block_); }

private:
    void* block_ = nullptr;
    std::size_t size_;
};
static_assert(sizeof(join) % alignof(join_child) == 0 && std::is_trivially_destructible_v<join_child>);

} // namespace tandem::detail
