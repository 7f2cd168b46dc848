#include <tandem/sync/detail/waiter_list.hpp>

namespace tandem::detail {

void waiter_list::push_back(waiter_node& w) noexcept
{
    w.next_ = nullptr;
    w.previous_ = last_;
    if (last_ != nullptr)
        last_->next_ = &w;
    else
        first_ = &w;
    last_ = &w;
}

void waiter_list::remove(waiter_node& w) noexcept
{
    auto* const next = static_cast<waiter_node*>(w.next_);
    if (w.previous_ != nullptr)
        w.previous_->next_ = next;
    else
        first_ = next;
    (next != nullptr ? next->previous_ : last_) = w.previous_;
}

void waiter_list::grant_first(waiter_list& to) noexcept
{
    waiter_node& w = *first_;
    remove(w);
    w.grant();
    to.push_back(w);
}

void waiter_list::post_all() noexcept
{
    while (waiter_node* const w = first_) {
        remove(*w); // before it is posted, since then it may be gone
        w->context_->post(*w);
    }
}

} // namespace tandem::detail
