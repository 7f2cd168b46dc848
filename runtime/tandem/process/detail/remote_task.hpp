#pragma once

#include <tandem/process/detail/frame.hpp>
#include <tandem/process/detail/payload.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>
#include <typeinfo>

namespace tandem::detail {

/// What became of a call in a worker: an error, or the encoded result.
struct remote_outcome {
    std::exception_ptr error;
    payload value;
    std::uint64_t nanoseconds = 0; // that it took, if it measured itself
};

/// A call on its way to a worker: a node of the supervisor's queue. Whoever submits it keeps it alive until `finish` is called.
class remote_task {
public:
    remote_task(const remote_task&) = delete;
    remote_task& operator=(const remote_task&) = delete;

    /// Called once, on any thread, under no lock; may destroy the task.
    virtual void finish(remote_outcome&& o) noexcept = 0;
    /// Asked when its turn comes: then it ends with operation_cancelled.
    [[nodiscard]] virtual bool cancelled() const noexcept = 0;
    /// It leaves the queue, for a worker or because it is cancelled. Once.
    virtual void begun() noexcept {}

    /// In messages: "apply_async, call 12 of parse(std::string)", "map, items 100 to 149 of main::{lambda(int)#1}". A function that the
    /// program does not export by name (-rdynamic) is named by its place in the program, as addr2line wants it.
    [[nodiscard]] std::string description() const;

    frame_header header;
    payload arguments;
    const char* verb = "";
    const std::type_info* function = nullptr; // the type of what is called
    std::uint64_t number = 0;                 // which call of the pool; counted by the supervisor
    std::size_t first_item = 0;               // of a map
    std::size_t items = 0;                    // 0: no map

    // The supervisor's.
    remote_task* next = nullptr; // in its queue
    bool has_begun = false;
    unsigned char attempts = 0; // workers that died before they had read it

protected:
    remote_task() noexcept = default;
    ~remote_task() = default;
};

/// First in, first out; owns nothing.
class remote_queue {
public:
    [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }
    void push(remote_task& t) noexcept
    {
        t.next = nullptr;
        (first_ ? last_->next : first_) = &t;
        last_ = &t;
    }
    void push_front(remote_task& t) noexcept
    {
        t.next = first_;
        if (!first_)
            last_ = &t;
        first_ = &t;
    }
    [[nodiscard]] remote_task* pop() noexcept
    {
        remote_task* const t = first_;
        if (t)
            first_ = t->next;
        return t;
    }

private:
    remote_task* first_ = nullptr;
    remote_task* last_ = nullptr;
};

} // namespace tandem::detail
