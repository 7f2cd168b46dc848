#pragma once

#include <tandem/base/config.hpp>
#include <tandem/process/detail/frame_header.hpp>
#include <tandem/process/detail/payload.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

namespace tandem::detail {

/// One way of a mailbox: room for a small frame, in memory that two processes have mapped. It takes a frame only while the receiver looks
/// at it; else, and for what is too large, there is the socket, where the receiver can sleep and learns of the other's end. So there
/// and back takes no system call while both are awake, and no more than the socket otherwise.
///
/// One frame is under way at a time: a sender sends the next when the last was answered.
class mail_slot {
public:
    static constexpr std::size_t capacity = 1024; ///< of a frame's payload

    // The receiver: ------------------------------------------------------------------------------

    /// Before the other side can have a reason to send.
    void look() noexcept;
    enum class result {
        frame,     ///< is here
        elsewhere, ///< it comes by the socket
        nothing,   ///< in time; it will come by the socket
    };
    /// Looks for a while, about as long as it takes to sleep and be woken.
    [[nodiscard]] result wait() noexcept;
    /// Whether what is here is a frame; takes it. The other process may have written anything.
    [[nodiscard]] bool take(frame_header& h, std::string& bytes);

    // The sender: --------------------------------------------------------------------------------

    /// Whether the frame is now the receiver's to read. If not, it has to go by the socket.
    [[nodiscard]] bool put(const frame_header& h, const payload& p) noexcept;
    /// After the receiver's death: the frame had not been read.
    [[nodiscard]] bool unread() const noexcept { return state_.load(std::memory_order_acquire) == state::full; }

private:
    // away -> looking by the receiver; looking -> full by the sender; full -> away by the receiver. And looking -> away by either: by a
    // receiver that has waited long enough, by a sender that uses the socket. Whoever changes `looking` does so by a compare-exchange, so
    // that only one can: a receiver that went to the socket is not sent a frame here.
    //
    // Memory order. What `put` writes is released by its exchange to full, and acquired by the receiver's load of full. What the receiver
    // has read of the last frame is before its release of `looking`, which `put` acquires before it writes the next one.
    enum class state : std::uint32_t { away, looking, full }; // fresh memory, all zeros, is `away`
    static_assert(std::atomic<state>::is_always_lock_free, "between processes there is no other kind");

    alignas(cache_line) std::atomic<state> state_{state::away};
    frame_header header_;
    char bytes_[capacity];
};

struct mailbox {
    mail_slot calls;
    mail_slot answers;
};

/// A mailbox's memory, as this process has it; or none.
class mailbox_mapping {
public:
    mailbox_mapping() noexcept = default;
    mailbox_mapping(mailbox_mapping&& other) noexcept : box_(std::exchange(other.box_, nullptr)) {}
    mailbox_mapping& operator=(mailbox_mapping&& other) noexcept
    {
        mailbox_mapping moved(std::move(other));
        std::swap(box_, moved.box_);
        return *this;
    }
    ~mailbox_mapping();

    /// A new one, whose memory goes to the other process as a payload; an empty payload if the system gives none.
    [[nodiscard]] payload create() noexcept;
    /// The one that came in a payload, if one did.
    void open(const payload& p) noexcept;

    [[nodiscard]] mail_slot* calls() const noexcept { return box_ ? &box_->calls : nullptr; }
    [[nodiscard]] mail_slot* answers() const noexcept { return box_ ? &box_->answers : nullptr; }

private:
    mailbox* box_ = nullptr;
};

/// Whether to look for a frame before one sleeps. To be woken costs more than a short call and its answer do, but to look in vain keeps a
/// processor from others, and where all are busy also from the one who would send. So who has looked in vain sleeps at once the
/// next time, then twice, and so on: when nothing comes in time, one wait in a few begins awake.
class patience {
public:
    /// Asked once for each wait.
    [[nodiscard]] bool has_some() noexcept
    {
        if (skip_ == 0)
            return several_processors();
        --skip_;
        return false;
    }
    void rewarded() noexcept { next_ = 1; }
    void disappointed() noexcept
    {
        skip_ = next_;
        next_ = next_ < most ? 2 * next_ : most;
    }

private:
    static constexpr unsigned most = 32;
    static bool several_processors() noexcept;

    unsigned skip_ = 0; // so many waits begin asleep
    unsigned next_ = 1; // and so many after the next disappointment
};

} // namespace tandem::detail
