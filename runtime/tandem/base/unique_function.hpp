// unique_function<R(A...)>: a callable of any type, owned, moved and never copied.
#pragma once

#include <tandem/base/config.hpp>

#include <cassert>
#include <cstddef>
#include <cstring>
#include <new>
#include <type_traits>
#include <utility>

namespace tandem {

template <class Signature>
class unique_function;

/// Holds one callable of any type, which may be move-only, and calls it as R(A...).
///
/// Errors: what the callable throws passes through. Construction throws what moving the callable
/// into place throws, or std::bad_alloc. Calling an empty unique_function is undefined (an assert).
///
/// A null function pointer, a null member pointer and an empty std::function (whatever can be made
/// from nullptr and compared with it) make an empty unique_function.
///
/// Thread safety: that of the callable; the wrapper adds no locking. The callable must not destroy
/// or assign the unique_function that is calling it.
///
/// Cost: five pointers in size. A callable of at most four pointers whose move cannot throw is held
/// in place; any other is one heap allocation. A call is one indirect call. A move never allocates
/// or throws, and for trivially copyable and heap-held callables it is a copy of the bytes.
template <class R, class... A>
class unique_function<R(A...)> {
public:
    using result_type = R;

    unique_function() noexcept = default;
    unique_function(std::nullptr_t) noexcept {}

    template <class F, class D = std::decay_t<F>>
        requires(!std::is_same_v<D, unique_function> && std::is_invocable_r_v<R, D&, A...>)
    unique_function(F&& f)
    { // NOLINT(google-explicit-constructor): as std::function's
        static_assert(std::is_constructible_v<D, F>, "unique_function: the callable cannot be copied or moved into the function");
        make<D>(std::forward<F>(f));
    }

    unique_function(unique_function&& other) noexcept { take(other); }
    unique_function& operator=(unique_function&& other) noexcept;
    unique_function& operator=(std::nullptr_t) noexcept;
    ~unique_function() { destroy(); }

    /// Whether there is something to call. Moved-from is empty.
    explicit operator bool() const noexcept { return ops_ != nullptr; }

    R operator()(A... args)
    {
        assert(ops_ != nullptr && "an empty unique_function was called");
        return ops_->invoke(buffer_, std::forward<A>(args)...);
    }

    void swap(unique_function& other) noexcept;
    friend void swap(unique_function& a, unique_function& b) noexcept { a.swap(b); }
    friend bool operator==(const unique_function& f, std::nullptr_t) noexcept { return !f; }

private:
    static constexpr std::size_t buffer_size = 4 * sizeof(void*);

    struct operations {
        R (*invoke)(void* buffer, A&&... args);
        void (*relocate)(void* from, void* to) noexcept; // null: copying the bytes does it
        void (*destroy)(void* buffer) noexcept;          // null: nothing to do
    };

    template <class D>
    static constexpr bool fits =
        sizeof(D) <= buffer_size && alignof(D) <= alignof(void*) && std::is_nothrow_move_constructible_v<D>;
    template <class D>
    struct in_place;
    template <class D>
    struct on_heap;

    template <class D, class F>
    void make(F&& f);
    void take(unique_function& other) noexcept;
    void destroy() noexcept
    {
        if (ops_ != nullptr && ops_->destroy != nullptr)
            ops_->destroy(buffer_);
    }

    const operations* ops_ = nullptr;
    alignas(void*) unsigned char buffer_[buffer_size];
};

// ---------------------------------------------------------------------------------------------

namespace detail {

template <class M, class C, class O, class... A>
constexpr decltype(auto) invoke_member(M C::* member, O&& object, A&&... args)
{
    if constexpr (std::is_base_of_v<C, std::remove_cvref_t<O>>) {
        if constexpr (std::is_function_v<M>) {
            return (std::forward<O>(object).*member)(std::forward<A>(args)...);
        }
        else {
            return (std::forward<O>(object).*member);
        }
    }
    else if constexpr (requires { *std::forward<O>(object); }) {
        return detail::invoke_member(member, *std::forward<O>(object), std::forward<A>(args)...);
    }
    else { // std::reference_wrapper
        return detail::invoke_member(member, object.get(), std::forward<A>(args)...);
    }
}

/// std::invoke, without <functional>, which would be the greater part of this header's cost.
template <class F, class... A>
constexpr std::invoke_result_t<F, A...> invoke(F&& f, A&&... args)
{
    if constexpr (std::is_member_pointer_v<std::remove_cvref_t<F>>) {
        return detail::invoke_member(f, std::forward<A>(args)...);
    }
    else {
        return std::forward<F>(f)(std::forward<A>(args)...);
    }
}

template <class D>
constexpr bool is_null_callable(const D& callable) noexcept
{
    if constexpr (std::is_constructible_v<D, std::nullptr_t> && requires { callable == nullptr; }) {
        return static_cast<bool>(callable == nullptr);
    }
    else {
        return false;
    }
}

} // namespace detail

template <class R, class... A>
template <class D>
struct unique_function<R(A...)>::in_place {
    static D& get(void* buffer) noexcept { return *std::launder(static_cast<D*>(buffer)); }
    static R invoke(void* buffer, A&&... args)
    {
        if constexpr (std::is_void_v<R>) {
            detail::invoke(get(buffer), std::forward<A>(args)...);
        }
        else {
            return detail::invoke(get(buffer), std::forward<A>(args)...);
        }
    }
    static void relocate(void* from, void* to) noexcept
    {
        D& old = get(from);
        ::new (to) D(std::move(old));
        old.~D();
    }
    static void destroy(void* buffer) noexcept { get(buffer).~D(); }

    static constexpr operations ops{&in_place::invoke, std::is_trivially_copyable_v<D> ? nullptr : &in_place::relocate,
        std::is_trivially_destructible_v<D> ? nullptr : &in_place::destroy};
};

template <class R, class... A>
template <class D>
struct unique_function<R(A...)>::on_heap {
    static D*& get(void* buffer) noexcept { return *std::launder(static_cast<D**>(buffer)); }
    static R invoke(void* buffer, A&&... args)
    {
        if constexpr (std::is_void_v<R>) {
            detail::invoke(*get(buffer), std::forward<A>(args)...);
        }
        else {
            return detail::invoke(*get(buffer), std::forward<A>(args)...);
        }
    }
    static void destroy(void* buffer) noexcept { delete get(buffer); }

    static constexpr operations ops{&on_heap::invoke, nullptr, &on_heap::destroy};
};

template <class R, class... A>
template <class D, class F>
void unique_function<R(A...)>::make(F&& f)
{
    if (detail::is_null_callable<D>(f))
        return;
    void* const buffer = buffer_;
    if constexpr (fits<D>) {
        ::new (buffer) D(std::forward<F>(f));
        ops_ = &in_place<D>::ops;
    }
    else {
        ::new (buffer) D*(new D(std::forward<F>(f)));
        ops_ = &on_heap<D>::ops;
    }
}

template <class R, class... A>
void unique_function<R(A...)>::take(unique_function& other) noexcept
{
    ops_ = other.ops_;
    if (ops_ == nullptr)
        return;
    if (ops_->relocate != nullptr) {
        ops_->relocate(other.buffer_, buffer_);
    }
    else {
        std::memcpy(buffer_, other.buffer_, buffer_size);
    }
    other.ops_ = nullptr;
}

template <class R, class... A>
unique_function<R(A...)>& unique_function<R(A...)>::operator=(unique_function&& other) noexcept
{
    if (this != &other) {
        destroy();
        take(other);
    }
    return *this;
}

template <class R, class... A>
unique_function<R(A...)>& unique_function<R(A...)>::operator=(std::nullptr_t) noexcept
{
    destroy();
    ops_ = nullptr;
    return *this;
}

template <class R, class... A>
void unique_function<R(A...)>::swap(unique_function& other) noexcept
{
    unique_function kept(std::move(other));
    other = std::move(*this);
    *this = std::move(kept);
}

} // namespace tandem
