#pragma once

#include <concepts>
#include <cstddef>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#if !defined(__GLIBCXX__)
#include <functional> // reference_wrapper; libstdc++ has it with <vector>, for a third of the price
#endif

namespace tandem {

/// What a container holds for a result of type T: T itself, not const, or a reference_wrapper for a reference.
template <class T>
using stored_result =
    std::conditional_t<std::is_reference_v<T>, std::reference_wrapper<std::remove_reference_t<T>>, std::remove_cv_t<T>>;

/// Places for `n` results that different threads fill, each place once, and the std::vector of them. For implementers of maps.
template <class R>
class result_buffer {
    using value = stored_result<R>;
    // vector<bool> packs bits, so neighbours are not independent; what has no default constructor is made in its place later.
    static constexpr bool direct =
        std::default_initializable<value> && std::is_move_assignable_v<value> && !std::same_as<value, bool>;

public:
    explicit result_buffer(std::size_t n) : places_(n) {}

    void put(std::size_t i, R&& r)
    {
        if constexpr (direct)
            places_[i] = std::forward<R>(r);
        else
            places_[i].emplace(std::forward<R>(r)); // it may not be assignable
    }

    /// Drops the results, when they are not taken.
    void clear() noexcept { decltype(places_)().swap(places_); }

    std::vector<value> take() &&
    {
        if constexpr (direct)
            return std::move(places_);
        else {
            auto places = std::move(places_); // nothing is left behind: a helper of the loop may keep this buffer for long
            std::vector<value> v;
            v.reserve(places.size());
            for (auto& p : places)
                v.push_back(std::move(*p));
            return v;
        }
    }

private:
    std::vector<std::conditional_t<direct, value, std::optional<value>>> places_;
};

template <>
class result_buffer<void> {
public:
    explicit result_buffer(std::size_t) noexcept {}
    void clear() noexcept {}
    void take() && noexcept {}
};

} // namespace tandem
