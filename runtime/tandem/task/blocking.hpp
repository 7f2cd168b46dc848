#pragma once

namespace tandem {

/// The owner of a thread that other work depends on: a pool's worker. Told when user code on that thread is about to block, so that
/// it can have another thread take its place.
class thread_host {
public:
    virtual void enter_blocking() noexcept = 0;
    virtual void leave_blocking() noexcept = 0;

protected:
    ~thread_host() = default;
};

/// Makes `h` (null: nobody) the host of this thread; returns the one before.
thread_host* set_thread_host(thread_host* h) noexcept;

/// For the scope in which this thread waits inside a blocking verb. Does nothing on a thread without a host. Not for coroutines:
/// the scope begins and ends on one thread.
class blocking_section {
public:
    blocking_section() noexcept;
    ~blocking_section();
    blocking_section(const blocking_section&) = delete;
    blocking_section& operator=(const blocking_section&) = delete;

private:
    thread_host* host_;
};

} // namespace tandem
