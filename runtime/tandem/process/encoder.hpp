#pragma once

#include <tandem/process/detail/payload.hpp>
#include <tandem/process/errors.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

namespace tandem {

/// Takes the bytes of values that cross to another process; large ones go straight to shared memory. See codec<T>.
class encoder {
public:
    void write(const void* p, std::size_t n) { payload_.append(p, n); }
    /// Pads so that the next byte is at a multiple of `a` (a power of two, 64 at most) from the start.
    void align(std::size_t a) { payload_.align(a); }

    /// For implementers: a payload that is done with, whose memory may be used again.
    void reuse(detail::payload&& p) noexcept { payload_.reuse(std::move(p)); }
    /// For implementers: what was written.
    [[nodiscard]] detail::payload finish() &&
    {
        payload_.finish();
        return std::move(payload_);
    }

private:
    detail::payload payload_;
};

/// Gives back the bytes that an encoder took, in the same order. What reads beyond their end throws codec_error.
class decoder {
public:
    decoder(const char* data, std::size_t size) noexcept : begin_(data), next_(data), end_(data + size) {}

    void read(void* p, std::size_t n)
    {
        const void* const from = take(n);
        if (n > 0)
            std::memcpy(p, from, n);
    }
    /// The next n bytes where they lie; good until the call that decodes has returned.
    [[nodiscard]] const char* take(std::size_t n)
    {
        if (n > remaining())
            throw codec_error("decode: the bytes end before the value does");
        return std::exchange(next_, next_ + n);
    }
    void align(std::size_t a) { static_cast<void>(take((a - static_cast<std::size_t>(next_ - begin_) % a) % a)); }
    /// A count of things of at least `size` bytes each, of which there must be enough.
    [[nodiscard]] std::size_t read_count(std::size_t size)
    {
        std::uint64_t n = 0;
        read(&n, sizeof n);
        if (size != 0 && n > remaining() / size)
            throw codec_error("decode: the bytes end before the value does");
        return n;
    }
    [[nodiscard]] std::size_t remaining() const noexcept { return static_cast<std::size_t>(end_ - next_); }

private:
    const char* begin_;
    const char* next_;
    const char* end_;
};

} // namespace tandem
