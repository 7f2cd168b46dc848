#pragma once

namespace tandem {

/// A unit of work that somebody else will run once: an intrusive node, so queueing it allocates nothing.
///
/// Lifetime: whoever queues a job keeps it alive until `execute` is entered; `execute` may destroy it. For implementers of
/// contexts and awaitables; users hand over functions and tasks instead.
struct job {
    using function = void(job*) noexcept;

    explicit job(function* f) noexcept : execute_(f) {}
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): one that may never be queued; who queues it sets execute_ first
    job() noexcept {}
    job(const job&) = delete;
    job& operator=(const job&) = delete;

    void execute() noexcept { execute_(this); }

    function* execute_;
    job* next_; // for the queue that holds the job; not initialised, since most jobs never need it

protected:
    ~job() = default;
};

} // namespace tandem
