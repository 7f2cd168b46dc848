#pragma once

#include <tandem/process/detail/unique_fd.hpp>

#include <cstddef>
#include <string>

namespace tandem::detail {

/// Above this size bytes cross in shared memory, which they are written to once and mapped from; below, in the frame itself, which saves
/// some five system calls. By measurement; see docs/decisions.md. It must be well below a socket's buffer: see send_frame.
inline constexpr std::size_t shared_memory_threshold = 128 * 1024;

/// Encoded bytes on their way to another process: a string, or an anonymous file in memory when there are many.
class payload {
public:
    payload() noexcept = default;
    payload(payload&& other) noexcept;
    payload& operator=(payload&& other) noexcept;
    ~payload();

    /// What was received.
    explicit payload(std::string bytes) noexcept : bytes_(std::move(bytes)), size_(bytes_.size()) {}
    payload(unique_fd memory, std::size_t size) noexcept : memory_(std::move(memory)), size_(size) {}

    /// Memory to use before new is made, whose pages are there already. For a payload that nothing was appended to yet.
    void reuse(payload&& other) noexcept
    {
        spare_ = std::move(other.memory_);
        bytes_ = std::move(other.bytes_);
        bytes_.clear();
    }

    void append(const void* p, std::size_t n);
    /// Pads with zeros to a multiple of `a`, a power of two.
    void align(std::size_t a);
    /// After the last append: everything is in the string, or in the memory.
    void finish(bool in_memory = false);

    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] bool in_memory() const noexcept { return static_cast<bool>(memory_); }
    [[nodiscard]] int memory() const noexcept { return memory_.get(); }
    [[nodiscard]] const std::string& bytes() const noexcept { return bytes_; }

private:
    void spill();
    void write_out(const void* p, std::size_t n);

    std::string bytes_; // everything; or, once there is a file, what is not yet written there
    unique_fd memory_;
    unique_fd spare_;
    std::size_t size_ = 0;
    bool counted_ = false;
};

/// The bytes of a payload as they lie in memory, mapped if need be, for the scope of this object. Throws std::system_error.
class payload_view {
public:
    explicit payload_view(const payload& p);
    ~payload_view();
    payload_view(const payload_view&) = delete;
    payload_view& operator=(const payload_view&) = delete;

    [[nodiscard]] const char* data() const noexcept { return data_; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

private:
    const char* data_ = nullptr;
    std::size_t size_ = 0;
    void* mapped_ = nullptr;
};

/// A copy of all of them.
[[nodiscard]] inline std::string bytes_of(const payload& p)
{
    const payload_view v(p);
    return {v.data(), v.size()};
}

} // namespace tandem::detail
