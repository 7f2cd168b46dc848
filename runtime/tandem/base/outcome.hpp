// outcome<T>: what became of a computation: nothing yet, a value, or an exception.
#pragma once

#include <tandem/base/config.hpp>
#include <tandem/base/unique_function.hpp>

#include <cassert>
#include <exception>
#include <new>
#include <type_traits>
#include <utility>

namespace tandem {

/// Empty, a T, or the exception that was thrown instead. T is an object type (it may be move-only
/// or immovable, and need not be default constructible), a reference U&, or void.
///
/// Copyable when T is copyable, movable when T is movable. A moved-from outcome that held a value
/// holds the moved-from value; one that held an error is empty. Assignment gives the basic
/// guarantee: if T's constructor throws, the target is left empty.
///
/// Thread safety: none; like an int. Cost: the greater of T and a pointer, and one byte. Nothing
/// is allocated; an empty one is made by storing that byte.
template <class T>
class [[nodiscard]] outcome {
    static_assert(std::is_object_v<T> && !std::is_array_v<T>,
        "outcome<T>: T must be an object type other than an array, an lvalue reference, or "
        "void");
    static_assert(std::is_nothrow_destructible_v<T>, "outcome<T>: ~T() must not throw");

public:
    using value_type = T;

    outcome() noexcept : state_(state::empty) {}

    outcome(const outcome& other)
        requires std::is_copy_constructible_v<T>
        : state_(state::empty)
    {
        construct(other);
    }
    outcome(outcome&& other) noexcept(std::is_nothrow_move_constructible_v<T>)
        requires std::is_move_constructible_v<T>
        : state_(state::empty)
    {
        construct(std::move(other));
    }
    outcome& operator=(const outcome& other)
        requires std::is_copy_constructible_v<T>
    {
        if (this != &other) {
            reset();
            construct(other);
        }
        return *this;
    }
    outcome& operator=(outcome&& other) noexcept(std::is_nothrow_move_constructible_v<T>)
        requires std::is_move_constructible_v<T>
    {
        if (this != &other) {
            reset();
            construct(std::move(other));
        }
        return *this;
    }
    ~outcome() { reset(); }

    /// Destroys what was held and makes a T from the arguments. If T's constructor throws, that
    /// passes through and the outcome is empty. The arguments must not refer to what was held.
    template <class... A>
    T& emplace(A&&... args);

    /// Destroys what was held and holds the error, which must not be null.
    void set_error(std::exception_ptr error) noexcept;

    /// Makes it empty.
    void reset() noexcept;

    [[nodiscard]] bool has_value() const noexcept { return state_ == state::value; }
    [[nodiscard]] bool has_error() const noexcept { return state_ == state::error; }
    [[nodiscard]] bool empty() const noexcept { return state_ == state::empty; }
    explicit operator bool() const noexcept { return has_value(); }

    /// The value; or throws the error, as it was thrown. An empty outcome has neither: to ask for
    /// its value is a bug in the caller and ends the program.
    T& value() &
    {
        check();
        return value_;
    }
    const T& value() const&
    {
        check();
        return value_;
    }
    T&& value() &&
    {
        check();
        return std::move(value_);
    }

    /// The value, unchecked: there must be one.
    [[nodiscard]] T& operator*() & noexcept { return *get(); }
    [[nodiscard]] const T& operator*() const& noexcept { return *get(); }
    [[nodiscard]] T&& operator*() && noexcept { return std::move(*get()); }
    [[nodiscard]] T* operator->() noexcept { return get(); }
    [[nodiscard]] const T* operator->() const noexcept { return get(); }

    /// The error, or null when there is none.
    [[nodiscard]] std::exception_ptr error() const noexcept { return has_error() ? error_ : std::exception_ptr{}; }

    /// The value, or `other` when there is none (empty, or an error).
    template <class U>
    [[nodiscard]] T value_or(U&& other) const&
    {
        return has_value() ? value_ : static_cast<T>(std::forward<U>(other));
    }
    template <class U>
    [[nodiscard]] T value_or(U&& other) &&
    {
        return has_value() ? std::move(value_) : static_cast<T>(std::forward<U>(other));
    }

private:
    template <class F, class... A>
    friend void capture(outcome<std::invoke_result_t<F, A...>>& into, F&& f, A&&... args) noexcept;

    enum class state : unsigned char { empty, value, error };

    template <class Other>
    void construct(Other&& other);
    template <class F, class... A>
    void emplace_result(F&& f, A&&... args);

    void check() const;
    T* get() noexcept
    {
        assert(has_value() && "outcome: there is no value");
        return __builtin_addressof(value_);
    }
    const T* get() const noexcept
    {
        assert(has_value() && "outcome: there is no value");
        return __builtin_addressof(value_);
    }
    void* storage() noexcept
    { // T may be const
        return const_cast<void*>(static_cast<const volatile void*>(__builtin_addressof(value_)));
    }

    union {
        T value_;
        std::exception_ptr error_;
    };
    state state_;
};

/// A reference: as above, and value(), * and -> give the object referred to. The outcome does not
/// keep it alive.
template <class T>
class [[nodiscard]] outcome<T&> {
public:
    using value_type = T&;

    T& emplace(T& object) noexcept { return *pointer_.emplace(__builtin_addressof(object)); }
    void set_error(std::exception_ptr error) noexcept { pointer_.set_error(std::move(error)); }
    void reset() noexcept { pointer_.reset(); }

    [[nodiscard]] bool has_value() const noexcept { return pointer_.has_value(); }
    [[nodiscard]] bool has_error() const noexcept { return pointer_.has_error(); }
    [[nodiscard]] bool empty() const noexcept { return pointer_.empty(); }
    explicit operator bool() const noexcept { return has_value(); }

    T& value() const { return *pointer_.value(); }
    [[nodiscard]] T& operator*() const noexcept { return **pointer_; }
    [[nodiscard]] T* operator->() const noexcept { return *pointer_; }
    [[nodiscard]] std::exception_ptr error() const noexcept { return pointer_.error(); }

    /// A copy of the object referred to, or `other`.
    template <class U>
    [[nodiscard]] std::remove_cv_t<T> value_or(U&& other) const
    {
        using value = std::remove_cv_t<T>;
        return has_value() ? static_cast<value>(**pointer_) : static_cast<value>(std::forward<U>(other));
    }

private:
    template <class F, class... A>
    friend void capture(outcome<std::invoke_result_t<F, A...>>& into, F&& f, A&&... args) noexcept;

    template <class F, class... A>
    void emplace_result(F&& f, A&&... args)
    {
        emplace(detail::invoke(std::forward<F>(f), std::forward<A>(args)...));
    }

    outcome<T*> pointer_;
};

/// Nothing to hold: has_value() says that it was done.
template <>
class [[nodiscard]] outcome<void> {
public:
    using value_type = void;

    void emplace() noexcept { done_.emplace(); }
    void set_error(std::exception_ptr error) noexcept { done_.set_error(std::move(error)); }
    void reset() noexcept { done_.reset(); }

    [[nodiscard]] bool has_value() const noexcept { return done_.has_value(); }
    [[nodiscard]] bool has_error() const noexcept { return done_.has_error(); }
    [[nodiscard]] bool empty() const noexcept { return done_.empty(); }
    explicit operator bool() const noexcept { return has_value(); }

    void value() const { static_cast<void>(done_.value()); }
    [[nodiscard]] std::exception_ptr error() const noexcept { return done_.error(); }

private:
    template <class F, class... A>
    friend void capture(outcome<std::invoke_result_t<F, A...>>& into, F&& f, A&&... args) noexcept;

    template <class F, class... A>
    void emplace_result(F&& f, A&&... args)
    {
        reset();
        detail::invoke(std::forward<F>(f), std::forward<A>(args)...);
        emplace();
    }

    struct unit {};
    outcome<unit> done_;
};

/// Calls std::invoke(f, args...) and keeps in `into` what came of it, the value or the exception.
/// The value is made in its place, so that what f returns need be neither copyable nor movable.
/// What `into` held before is destroyed before the call.
template <class F, class... A>
void capture(outcome<std::invoke_result_t<F, A...>>& into, F&& f, A&&... args) noexcept
{
    try {
        into.emplace_result(std::forward<F>(f), std::forward<A>(args)...);
    }
    catch (...) {
        into.set_error(std::current_exception());
    }
}

// ---------------------------------------------------------------------------------------------

namespace detail {

/// Out of the way of the callers' hot path. Null: the outcome was empty.
[[noreturn]] TANDEM_NOINLINE inline void rethrow_error(const std::exception_ptr* error)
{
    assert(error != nullptr && "outcome: value() of an empty outcome");
    if (error == nullptr)
        std::terminate();
    std::rethrow_exception(*error);
}

} // namespace detail

template <class T>
template <class... A>
T& outcome<T>::emplace(A&&... args)
{
    reset();
    ::new (storage()) T(std::forward<A>(args)...);
    state_ = state::value;
    return value_;
}

template <class T>
template <class F, class... A>
void outcome<T>::emplace_result(F&& f, A&&... args)
{
    reset();
    // The call is a prvalue all the way down, so its result is made here and never moved.
    ::new (storage()) T(detail::invoke(std::forward<F>(f), std::forward<A>(args)...));
    state_ = state::value;
}

template <class T>
void outcome<T>::set_error(std::exception_ptr error) noexcept
{
    assert(error != nullptr && "outcome: the error must not be null");
    reset();
    ::new (static_cast<void*>(&error_)) std::exception_ptr(std::move(error));
    state_ = state::error;
}

template <class T>
void outcome<T>::reset() noexcept
{
    // The state first: ~T() may look at the outcome it is in.
    const state was = std::exchange(state_, state::empty);
    if (was == state::value) {
        value_.~T();
    }
    else if (was == state::error) {
        error_.~exception_ptr();
    }
}

template <class T>
template <class Other>
void outcome<T>::construct(Other&& other)
{
    if (other.state_ == state::value) {
        ::new (storage()) T(std::forward<Other>(other).value_);
        state_ = state::value;
    }
    else if (other.state_ == state::error) {
        ::new (static_cast<void*>(&error_)) std::exception_ptr(std::forward<Other>(other).error_);
        state_ = state::error;
        if constexpr (!std::is_lvalue_reference_v<Other>)
            other.reset();
    }
}

template <class T>
void outcome<T>::check() const
{
    if (TANDEM_UNLIKELY(!has_value()))
        detail::rethrow_error(has_error() ? &error_ : nullptr);
}

} // namespace tandem
