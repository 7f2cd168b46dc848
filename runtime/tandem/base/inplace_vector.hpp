#pragma once

#include <cstddef>
#include <initializer_list>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace tandem {

/// Up to `N` elements of `T`, in place: a vector without an allocation, where the most that there can be is known. Named and behaving as
/// C++26's std::inplace_vector, of which it has what is wanted here.
///
/// Errors: std::bad_alloc for an element more than N. Lifetime: moving moves each element, and the source keeps its moved-from ones.
/// Cost: of a move, O(size); the object is as large as N elements and a count.
///
///     tandem::inplace_vector<tandem::task<int>, 8> children;
///     for (const auto& m : moves) // eight at most
///         children.push_back(explore(m));
///     const auto found = co_await tandem::when_all(std::move(children)); // an inplace_vector<int, 8>
template <class T, std::size_t N>
class inplace_vector {
    static_assert(N > 0, "inplace_vector: N is 0");

public:
    using value_type = T;
    using size_type = std::size_t;
    using reference = T&;
    using const_reference = const T&;
    using iterator = T*;
    using const_iterator = const T*;

    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): the elements come later
    inplace_vector() noexcept {}
    inplace_vector(std::initializer_list<T> values) : inplace_vector()
    {
        for (const T& v : values)
            emplace_back(v);
    }
    inplace_vector(const inplace_vector& other) : inplace_vector()
    {
        for (const T& v : other)
            unchecked_emplace_back(v);
    }
    inplace_vector(inplace_vector&& other) noexcept(std::is_nothrow_move_constructible_v<T>) : inplace_vector()
    {
        for (T& v : other)
            unchecked_emplace_back(std::move(v));
    }
    inplace_vector& operator=(const inplace_vector& other)
    {
        if (this != &other) {
            clear();
            for (const T& v : other)
                unchecked_emplace_back(v);
        }
        return *this;
    }
    inplace_vector& operator=(inplace_vector&& other) noexcept(std::is_nothrow_move_constructible_v<T>)
    {
        if (this != &other) {
            clear();
            for (T& v : other)
                unchecked_emplace_back(std::move(v));
        }
        return *this;
    }
    ~inplace_vector() { clear(); }

    template <class... A>
    T& emplace_back(A&&... a)
    {
        if (size_ == N)
            throw std::bad_alloc();
        return unchecked_emplace_back(std::forward<A>(a)...);
    }
    T& push_back(const T& value) { return emplace_back(value); }
    T& push_back(T&& value) { return emplace_back(std::move(value)); }
    /// The same where there is known to be room: else the behaviour is undefined.
    template <class... A>
    T& unchecked_emplace_back(A&&... a)
    {
        T* const made = std::construct_at(places_ + size_, std::forward<A>(a)...);
        ++size_;
        return *made;
    }
    void pop_back() noexcept { std::destroy_at(places_ + --size_); }
    void clear() noexcept
    {
        while (size_ != 0)
            pop_back();
    }

    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
    [[nodiscard]] static constexpr std::size_t capacity() noexcept { return N; }
    [[nodiscard]] static constexpr std::size_t max_size() noexcept { return N; }

    [[nodiscard]] T* data() noexcept { return places_; }
    [[nodiscard]] const T* data() const noexcept { return places_; }
    [[nodiscard]] T& operator[](std::size_t i) noexcept { return places_[i]; }
    [[nodiscard]] const T& operator[](std::size_t i) const noexcept { return places_[i]; }
    [[nodiscard]] T& front() noexcept { return places_[0]; }
    [[nodiscard]] const T& front() const noexcept { return places_[0]; }
    [[nodiscard]] T& back() noexcept { return places_[size_ - 1]; }
    [[nodiscard]] const T& back() const noexcept { return places_[size_ - 1]; }

    [[nodiscard]] iterator begin() noexcept { return places_; }
    [[nodiscard]] iterator end() noexcept { return places_ + size_; }
    [[nodiscard]] const_iterator begin() const noexcept { return places_; }
    [[nodiscard]] const_iterator end() const noexcept { return places_ + size_; }

    [[nodiscard]] friend bool operator==(const inplace_vector& a, const inplace_vector& b)
    {
        if (a.size_ != b.size_)
            return false;
        for (std::size_t i = 0; i < a.size_; ++i)
            if (!(a.places_[i] == b.places_[i]))
                return false;
        return true;
    }

private:
    union {
        T places_[N];
    };
    std::size_t size_ = 0;
};

} // namespace tandem
