// What the tests of the pools share.
#pragma once

#include "support/tracked.hpp"

#include <tandem/base/errc.hpp>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace tandem::test {

inline int square(int n) { return n * n; }

/// Holds up threads until it is opened. Declared before the pool whose calls wait at it.
class gate {
public:
    void open()
    {
        const std::lock_guard lock(m_); // notified under the lock: who passes may destroy the gate
        open_ = true;
        changed_.notify_all();
    }
    void pass()
    {
        std::unique_lock lock(m_);
        changed_.wait(lock, [&] { return open_; });
    }

private:
    std::mutex m_;
    std::condition_variable changed_;
    bool open_ = false;
};

inline std::string text_of(const std::exception_ptr& e)
{
    try {
        std::rethrow_exception(e);
    }
    catch (const std::exception& x) {
        return x.what();
    }
    catch (...) {
        return "?";
    }
}

inline std::string type_of(const std::exception_ptr& e)
{
    try {
        std::rethrow_exception(e);
    }
    catch (const operation_cancelled&) {
        return "operation_cancelled";
    }
    catch (const pool_closed&) {
        return "pool_closed";
    }
    catch (const std::exception&) {
        return "exception";
    }
    catch (...) {
        return "?";
    }
}

/// Where a pool's unhandled errors go: `thread_pool_options{.unhandled = log.hook()}`. Declared before the pool.
class error_log {
public:
    auto hook()
    {
        return [this](const std::exception_ptr& e) {
            const std::lock_guard lock(m_);
            texts_.push_back(text_of(e));
        };
    }
    [[nodiscard]] std::vector<std::string> texts() const
    {
        const std::lock_guard lock(m_);
        return texts_;
    }
    [[nodiscard]] std::vector<std::string> sorted() const
    {
        std::vector<std::string> v = texts();
        std::ranges::sort(v);
        return v;
    }

private:
    mutable std::mutex m_;
    std::vector<std::string> texts_;
};

inline void wait_until(const std::atomic<bool>& flag)
{
    while (!flag.load())
        std::this_thread::yield();
}

} // namespace tandem::test
