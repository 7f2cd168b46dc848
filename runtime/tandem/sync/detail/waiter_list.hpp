#pragma once

#include <tandem/base/config.hpp>
#include <tandem/task/context.hpp>
#include <tandem/task/job.hpp>

namespace tandem::detail {

/// What a `waiter_list` knows of those who wait. Guarded by the lock of whoever owns the list.
class waiter_node : public job {
protected:
    enum class stage : unsigned char { outside, queued, granted, cancelled };

    explicit waiter_node(job::function* resume) noexcept : job(resume) {}
    ~waiter_node() = default;

    void grant() noexcept { stage_ = stage::granted; }

    context* context_; // written when a wait begins, as the links are: most never do
    stage stage_ = stage::outside;

private:
    friend class waiter_list;

    waiter_node* previous_; // the link forwards is job::next_
};

/// Waiters in the order in which they came. Does not lock.
class waiter_list {
public:
    waiter_list() noexcept = default;
    waiter_list(const waiter_list&) = delete;
    waiter_list& operator=(const waiter_list&) = delete;
    ~waiter_list() { TANDEM_ASSERT(empty(), "destroyed while somebody waits on it"); }

    [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }
    [[nodiscard]] waiter_node* front() const noexcept { return first_; }
    void push_back(waiter_node& w) noexcept;
    void remove(waiter_node& w) noexcept;
    /// Moves the first to the end of `to`, granted.
    void grant_first(waiter_list& to) noexcept;
    void grant_all(waiter_list& to) noexcept
    {
        while (!empty())
            grant_first(to);
    }
    /// Posts all to their contexts, and is empty. Not under a lock: a context may run them here and now.
    void resume_all() noexcept
    {
        if (!empty())
            post_all();
    }

private:
    void post_all() noexcept;

    waiter_node* first_ = nullptr;
    waiter_node* last_ = nullptr;
};

} // namespace tandem::detail
