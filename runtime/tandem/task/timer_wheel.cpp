#include <tandem/task/timer_wheel.hpp>

#include <algorithm>
#include <bit>
#include <functional>
#include <iterator>
#include <utility>

namespace tandem {

namespace {

/// The points of time before the clock's epoch, if any, are all past.
std::uint64_t ns_of(std::int64_t t) noexcept { return static_cast<std::uint64_t>(std::max<std::int64_t>(t, 0)); }

} // namespace

bool timer_wheel::start(timer& t) noexcept
{
    if (t.state_ != timer::state::fresh)
        return false;
    t.state_ = timer::state::waiting;
    ++size_;
    insert(t);
    return true;
}

bool timer_wheel::stop(timer& t) noexcept
{
    if (t.state_ == timer::state::expired)
        return false;
    if (std::exchange(t.state_, timer::state::stopped) != timer::state::waiting)
        return false;
    --size_;
    remove(t);
    return true;
}

timer* timer_wheel::pop_expired(std::int64_t now_ns) noexcept
{
    // Slot by slot, so that the heap stays small however late we are.
    while (!heap_ && advance(ns_of(now_ns) >> tick_bits)) {}
    timer* const t = timer_of(heap_);
    if (!t || t->deadline_ns > now_ns)
        return nullptr;
    t->state_ = timer::state::expired;
    --size_;
    remove(*t);
    return t;
}

timer* timer_wheel::stop_any() noexcept
{
    timer* t = timer_of(heap_);
    if (!t) {
        if (size_ == 0)
            return nullptr;
        const place p = first_slot();
        for (job* const first : slot_[p.level][p.slot])
            if (first)
                t = timer_of(first);
    }
    stop(*t);
    return t;
}

std::int64_t timer_wheel::next_look() const noexcept
{
    if (heap_)
        return timer_of(heap_)->deadline_ns;
    if (size_ == 0)
        return never;
    // Of a few, the first: it saves looking at the beginning of the slot only to learn that.
    constexpr int few = 8;
    const place p = first_slot();
    std::int64_t first = never;
    int count = 0;
    for (job* const list : slot_[p.level][p.slot])
        for (const timer* t = timer_of(list); t; t = timer_of(t->next_timer_), ++count) {
            if (count == few)
                return static_cast<std::int64_t>(start_of(p) << tick_bits);
            first = std::min(first, t->deadline_ns);
        }
    return first;
}

// The slots of a level that are occupied all lie after the current time's: a timer lies at the level of the highest digit in which its
// tick differs from the current one, in the slot of that digit. What differs at a lower level differs later, so the lowest is the first.
timer_wheel::place timer_wheel::first_slot() const noexcept
{
    for (std::size_t level = 0;; ++level)
        for (std::size_t word = 0; word < slots / 64; ++word)
            if (const std::uint64_t bits = occupied_[level][word]; bits != 0)
                return {level, word * 64 + static_cast<std::size_t>(std::countr_zero(bits))};
}

std::uint64_t timer_wheel::start_of(place p) const noexcept
{
    const std::size_t shift = p.level * slot_bits;
    const std::uint64_t above = (tick_ >> shift) & ~std::uint64_t{slots - 1};
    return (above | p.slot) << shift;
}

void timer_wheel::insert(timer& t) noexcept
{
    const std::uint64_t tick = ns_of(t.deadline_ns) >> tick_bits;
    if (tick <= tick_) {
        push_heap(t);
        return;
    }
    const auto level = static_cast<std::size_t>(std::bit_width(tick ^ tick_) - 1) / slot_bits;
    const std::size_t slot = (tick >> (level * slot_bits)) & (slots - 1);
    if (!(occupied_[level][slot / 64] & bit(slot))) {
        occupied_[level][slot / 64] |= bit(slot);
        std::fill(std::begin(slot_[level][slot]), std::end(slot_[level][slot]), nullptr);
    }
    job*& head = slot_[level][slot][dealt_++ % lists];
    t.in_heap_ = false;
    t.next_timer_ = head;
    t.back_ = &head;
    if (head)
        timer_of(head)->back_ = &t.next_timer_;
    head = &t;
}

void timer_wheel::remove(timer& t) noexcept
{
    if (t.in_heap_) {
        remove_from_heap(t);
        return;
    }
    *t.back_ = t.next_timer_;
    if (t.next_timer_)
        timer_of(t.next_timer_)->back_ = t.back_;
    else
        clear_bit_if_empty(t.back_);
}

void timer_wheel::clear_bit_if_empty(job** list) noexcept
{
    job** const first = &slot_[0][0][0];
    if (std::less<>{}(list, first) || !std::less<>{}(list, first + levels * slots * lists))
        return; // not a list, but what a timer holds
    const auto k = static_cast<std::size_t>(list - first) / lists;
    const slot_lists& all = slot_[k / slots][k % slots];
    if (std::none_of(std::begin(all), std::end(all), [](const job* j) { return j != nullptr; }))
        occupied_[k / slots][k % slots / 64] &= ~bit(k % slots);
}

// Moves the current time on to the first occupied slot, and empties that into lower levels or the heap; false when it lies after `tick`,
// and then to that. What stays where it is still differs from the new time in the same highest digit, since the new time is before its
// slot.
bool timer_wheel::advance(std::uint64_t tick) noexcept
{
    if (size_ != 0) { // and none of them in the heap
        const place p = first_slot();
        const std::uint64_t start = start_of(p);
        if (start <= tick) {
            tick_ = start;
            occupied_[p.level][p.slot / 64] &= ~bit(p.slot);
            job* next[lists];
            for (std::size_t k = 0; k < lists; ++k)
                next[k] = slot_[p.level][p.slot][k];
            for (bool more = true; more;) {
                more = false;
                for (job*& j : next) {
                    if (!j)
                        continue;
                    timer* const t = timer_of(j);
                    j = t->next_timer_;
                    __builtin_prefetch(j); // while the other lists have their turn
                    insert(*t);
                    more = true;
                }
            }
            return true;
        }
    }
    tick_ = std::max(tick_, tick);
    return false;
}

// --- the heap ----------------------------------------------------------------------------------

timer* timer_wheel::meld(timer* a, timer* b) noexcept
{
    if (b->deadline_ns < a->deadline_ns)
        std::swap(a, b);
    b->next_timer_ = a->next_;
    if (a->next_)
        timer_of(a->next_)->back_ = &b->next_timer_;
    a->next_ = b;
    b->back_ = &a->next_;
    return a;
}

// In pairs from the left, then from the right into one.
timer* timer_wheel::meld_siblings(timer* first) noexcept
{
    timer* pairs = nullptr; // last first
    while (first) {
        timer* const a = first;
        timer* const b = timer_of(a->next_timer_);
        first = b ? timer_of(b->next_timer_) : nullptr;
        timer* const pair = b ? meld(a, b) : a;
        pair->next_timer_ = pairs;
        pairs = pair;
    }
    timer* all = pairs;
    if (all) {
        timer* rest = timer_of(all->next_timer_);
        while (rest) {
            timer* const next = timer_of(rest->next_timer_);
            all = meld(all, rest);
            rest = next;
        }
    }
    return all;
}

void timer_wheel::make_root(timer* t) noexcept
{
    t->next_timer_ = nullptr;
    t->back_ = &heap_;
    heap_ = t;
}

void timer_wheel::push_heap(timer& t) noexcept
{
    t.in_heap_ = true;
    t.next_ = nullptr;
    make_root(heap_ ? meld(timer_of(heap_), &t) : &t);
}

void timer_wheel::remove_from_heap(timer& t) noexcept
{
    *t.back_ = t.next_timer_;
    if (t.next_timer_)
        timer_of(t.next_timer_)->back_ = t.back_;
    if (timer* const below = meld_siblings(timer_of(t.next_)))
        make_root(heap_ ? meld(timer_of(heap_), below) : below);
}

} // namespace tandem
