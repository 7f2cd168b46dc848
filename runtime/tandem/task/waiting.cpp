#include <tandem/task/inherit.hpp>
#include <tandem/task/waiting.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <mutex>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace tandem::detail {

namespace {

// Filled while statics are constructed, by one thread, before anybody looks.
constinit const job_kind* job_kinds = nullptr;
constinit const completion_kind* completion_kinds = nullptr;

struct log_entry {
    const context* ctx;
    std::uint64_t number; // in the order of coming
};
struct log {
    std::mutex m;
    std::unordered_map<const job*, log_entry> waits;
    std::uint64_t next_number = 0;
};

// Never destroyed: a task may be destroyed in its wait while the program's statics are.
log& the_log()
{
    static log& l = *new log;
    return l;
}

std::vector<const job*> waits_on(const context& c)
{
    log& l = the_log();
    const std::lock_guard lock(l.m);
    std::vector<std::pair<std::uint64_t, const job*>> found;
    for (const auto& [j, entry] : l.waits)
        if (entry.ctx == &c)
            found.emplace_back(entry.number, j);
    std::sort(found.begin(), found.end());
    std::vector<const job*> jobs;
    for (const auto& [number, j] : found)
        jobs.push_back(j);
    return jobs;
}

/// The tree that the chains from the waits upwards make together.
class tree_of_waits {
public:
    void add_wait(const job& j)
    {
        const job_kind::description d = job_kind::describe(j);
        if (!d.task)
            return;
        node& n = add(d.task);
        n.waits_for = d.waits_for;
        if (d.until_ns != 0) {
            char until[48];
            std::snprintf(until, sizeof until, " until %.9g s", static_cast<double>(d.until_ns) / 1e9);
            n.waits_for += until;
        }
    }
    struct node;
    node& add(std::coroutine_handle<> h)
    {
        // Upwards in a loop: the chain may be long.
        node* first = nullptr;
        node* below = nullptr;
        std::size_t number = 0;
        for (;;) {
            const auto [place, is_new] = known_.try_emplace(h.address(), nullptr);
            if (is_new)
                place->second = &nodes_.emplace_back(h, nodes_.size());
            node& n = *place->second;
            if (!first)
                first = &n;
            if (below) {
                n.children.push_back(below);
                below->number = number;
            }
            if (!is_new)
                return *first;
            const promise_base& p = promise_base::of(h);
            completion_kind::description up{p.notifies() ? nullptr : p.continuation(), nullptr, 0, 0};
            if (p.notifies())
                up = completion_kind::describe(*p.notified());
            if (!up.parent) {
                roots_.push_back(&n);
                return *first;
            }
            below = &n;
            number = up.number;
            h = up.parent;
            n.waited_for_by = up;
        }
    }
    std::string text(std::coroutine_handle<> root)
    {
        if (root) {
            node& n = add(root);
            roots_.erase(std::remove(roots_.begin(), roots_.end(), &n), roots_.end());
            roots_.insert(roots_.begin(), &n);
        }
        std::string s;
        for (node* n : roots_)
            print(*n, s);
        return s;
    }

    struct node {
        node(std::coroutine_handle<> h, std::size_t found) noexcept : task(h), order(found) {}
        std::coroutine_handle<> task;
        std::size_t order; // in which they were found
        std::vector<node*> children;
        std::string waits_for;  // empty: not known, or one of the children
        std::size_t number = 0; // among the children of the one above
        completion_kind::description waited_for_by{};
    };

private:
    struct level {
        node* n;
        std::size_t depth;
        const std::string* name_above;
    };

    static void print(node& root, std::string& s)
    {
        std::vector<level> open{{&root, 0, nullptr}};
        while (!open.empty()) {
            const level l = open.back();
            open.pop_back();
            node* n = l.n;
            const std::size_t number = n->number;
            while (n->children.size() == 1 && is_wrapper(task_line(n->task)) && !n->children[0]->waited_for_by.combinator)
                n = n->children[0];
            const std::string* const name = task_name(n->task);
            s += "\n" + std::string(4 * (l.depth + 1), ' ');
            if (number != 0)
                s += "#" + std::to_string(number) + " ";
            if (name && name != l.name_above)
                s += "\"" + *name + "\" ";
            std::vector<node*>& below = n->children;
            if (!is_wrapper(task_line(n->task)))
                s += task_line(n->task).text() + (below.empty() || below[0]->waited_for_by.combinator ? ": " : "");
            if (below.empty())
                s += n->waits_for.empty() ? "something that is none of Tandem\'s waits" : n->waits_for;
            else if (const completion_kind::description& d = below[0]->waited_for_by; d.combinator) {
                s += d.combinator;
                if (d.of != 0)
                    s += " of " + std::to_string(d.of);
            }
            std::sort(below.begin(), below.end(),
                [](const node* a, const node* b) { return a->number != b->number ? a->number < b->number : a->order < b->order; });
            for (auto child = below.rbegin(); child != below.rend(); ++child)
                open.push_back({*child, l.depth + 1, name});
        }
    }

    std::deque<node> nodes_; // keeps its elements where they are
    std::unordered_map<void*, node*> known_;
    std::vector<node*> roots_;
};

} // namespace

job_kind::job_kind(job::function* execute, function* reader) noexcept : execute_(execute), reader_(reader), next_(job_kinds)
{
    job_kinds = this;
}

job_kind::description job_kind::describe(const job& j) noexcept
{
    for (const job_kind* k = job_kinds; k; k = k->next_)
        if (k->execute_ == j.execute_)
            return k->reader_(j);
    return {};
}

completion_kind::completion_kind(completion::function* done, function* reader) noexcept
    : done_(done), reader_(reader), next_(completion_kinds)
{
    completion_kinds = this;
}

completion_kind::description completion_kind::describe(const completion& c) noexcept
{
    for (const completion_kind* k = completion_kinds; k; k = k->next_)
        if (k->done_ == c.done_)
            return k->reader_(c);
    return {};
}

constinit std::atomic<int> waits_are_logged{0};

void log_wait(const context& c, const job& j)
{
    log& l = the_log();
    const std::lock_guard lock(l.m);
    l.waits.insert_or_assign(&j, log_entry{&c, l.next_number++});
}

void forget_wait(const job& j) noexcept
{
    log& l = the_log();
    const std::lock_guard lock(l.m);
    l.waits.erase(&j);
}

wait_log::~wait_log()
{
    {
        log& l = the_log();
        const std::lock_guard lock(l.m);
        std::erase_if(l.waits, [this](const auto& w) { return w.second.ctx == &context_; });
    }
    waits_are_logged.fetch_sub(1, std::memory_order_relaxed);
}

std::string wait_log::tree(std::coroutine_handle<> root) const
{
    tree_of_waits tree;
    for (const job* const j : waits_on(context_))
        tree.add_wait(*j);
    return tree.text(root);
}

bool is_wrapper(source_line l) { return l.function() == "tandem::detail::awaiting_task"; }

const std::string* task_name(std::coroutine_handle<> h) noexcept
{
    const environment* const env = promise_base::of(h).env_;
    return env ? static_cast<const std::string*>(find_local(*env, &task_name_key)) : nullptr;
}

} // namespace tandem::detail
