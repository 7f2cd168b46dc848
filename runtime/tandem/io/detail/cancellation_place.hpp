#pragma once

#include <tandem/base/config.hpp>

#include <asio/cancellation_signal.hpp>
#include <asio/cancellation_type.hpp>

#include <cstddef>
#include <new>
#include <type_traits>
#include <utility>

namespace tandem::detail {

/// Where Asio leaves what it would have called to cancel an operation. An asio::cancellation_signal allocates that; Asio keeps two such
/// blocks for a thread, while each operation that waits has one. Here it has its place in the operation, if it is of the size that Asio's
/// own are of. Not for several threads at once, as a signal is not.
class cancellation_place {
public:
    /// The slot that a handler is given: a CancellationSlot by Asio's requirements.
    class slot {
    public:
        explicit slot(cancellation_place& p) noexcept : place_(&p) {}

        template <class Handler, class... Args>
        Handler& emplace(Args&&... args) const
        {
            return place_->emplace<Handler>(std::forward<Args>(args)...);
        }
        template <class Handler>
        std::decay_t<Handler>& assign(Handler&& h) const
        {
            return emplace<std::decay_t<Handler>>(std::forward<Handler>(h));
        }
        void clear() const { place_->clear(); }
        [[nodiscard]] static constexpr bool is_connected() noexcept { return true; }
        [[nodiscard]] bool has_handler() const noexcept { return place_->has_handler(); }

        /// For code that asks for Asio's own type. What it puts there is called in place of what is here; what is put here later clears it.
        operator asio::cancellation_slot() const noexcept
        {
            return place_->signal_.slot();
        } // NOLINT: implicit, so that such code compiles

        friend bool operator==(const slot&, const slot&) noexcept = default;

    private:
        cancellation_place* place_;
    };

    cancellation_place() noexcept = default;
    cancellation_place(const cancellation_place&) = delete;
    cancellation_place& operator=(const cancellation_place&) = delete;
    ~cancellation_place()
    {
        if (here_ != nullptr)
            here_->destroy();
    }

    void emit(asio::cancellation_type type)
    {
        if (signal_.slot().has_handler())
            signal_.emit(type);
        else if (here_ != nullptr)
            here_->call(type);
    }

private:
    struct holder_base {
        virtual void call(asio::cancellation_type) = 0;
        virtual void destroy() noexcept = 0;

    protected:
        ~holder_base() = default;
    };
    template <class Handler>
    struct holder final : holder_base {
        template <class... Args>
        explicit holder(Args&&... args) : handler(std::forward<Args>(args)...)
        {
        }
        void call(asio::cancellation_type type) override { handler(type); }
        void destroy() noexcept override { this->~holder(); }
        Handler handler;
    };

    template <class Handler, class... Args>
    Handler& emplace(Args&&... args)
    {
        clear();
        using held = holder<Handler>;
        if constexpr (sizeof(held) <= sizeof(room_) && alignof(held) <= alignof(void*)) {
            held* const h = ::new (static_cast<void*>(room_)) held(std::forward<Args>(args)...);
            here_ = h;
            return h->handler;
        }
        else
            return signal_.slot().template emplace<Handler>(std::forward<Args>(args)...);
    }
    void clear()
    {
        if (here_ != nullptr)
            std::exchange(here_, nullptr)->destroy();
        if (asio::cancellation_slot other = signal_.slot(); TANDEM_UNLIKELY(other.has_handler()))
            other.clear();
    }
    [[nodiscard]] bool has_handler() noexcept { return here_ != nullptr || signal_.slot().has_handler(); }

    holder_base* here_ = nullptr;
    asio::cancellation_signal signal_;
    alignas(void*) std::byte room_[5 * sizeof(void*)];
};

} // namespace tandem::detail
