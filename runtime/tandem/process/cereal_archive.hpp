// cereal's archives over an encoder and a decoder, and its support for the std types.
#pragma once

#include <tandem/process/encoder.hpp>

#include <cereal/cereal.hpp>
#include <cereal/types/array.hpp>
#include <cereal/types/atomic.hpp>
#include <cereal/types/bitset.hpp>
#include <cereal/types/chrono.hpp>
#include <cereal/types/complex.hpp>
#include <cereal/types/deque.hpp>
#include <cereal/types/forward_list.hpp>
#include <cereal/types/list.hpp>
#include <cereal/types/map.hpp>
#include <cereal/types/memory.hpp>
#include <cereal/types/optional.hpp>
#include <cereal/types/set.hpp>
#include <cereal/types/string.hpp>
#include <cereal/types/tuple.hpp>
#include <cereal/types/unordered_map.hpp>
#include <cereal/types/unordered_set.hpp>
#include <cereal/types/utility.hpp>
#include <cereal/types/variant.hpp>
#include <cereal/types/vector.hpp>

#include <type_traits>

namespace tandem::detail {

class output_archive : public cereal::OutputArchive<output_archive, cereal::AllowEmptyClassElision> {
public:
    explicit output_archive(encoder& to) : OutputArchive(this), to_(&to) {}
    [[nodiscard]] encoder& sink() noexcept { return *to_; }

private:
    encoder* to_;
};

class input_archive : public cereal::InputArchive<input_archive, cereal::AllowEmptyClassElision> {
public:
    explicit input_archive(decoder& from) : InputArchive(this), from_(&from) {}
    [[nodiscard]] decoder& source() noexcept { return *from_; }

private:
    decoder* from_;
};

// What an archive must know by itself; the rest is cereal's.
template <class T>
    requires std::is_arithmetic_v<T>
void CEREAL_SAVE_FUNCTION_NAME(output_archive& to, const T& n)
{
    to.sink().write(&n, sizeof n);
}
template <class T>
    requires std::is_arithmetic_v<T>
void CEREAL_LOAD_FUNCTION_NAME(input_archive& from, T& n)
{
    from.source().read(&n, sizeof n);
}
template <class T>
void CEREAL_SAVE_FUNCTION_NAME(output_archive& to, const cereal::BinaryData<T>& block)
{
    to.sink().write(block.data, block.size);
}
template <class T>
void CEREAL_LOAD_FUNCTION_NAME(input_archive& from, cereal::BinaryData<T>& block)
{
    // cereal has made room by a count that it read, and has no way to see whether there are as many bytes; this throws if not.
    from.source().read(block.data, block.size);
}
template <class T>
void CEREAL_SAVE_FUNCTION_NAME(output_archive& to, const cereal::NameValuePair<T>& pair)
{
    to(pair.value);
}
template <class T>
void CEREAL_LOAD_FUNCTION_NAME(input_archive& from, cereal::NameValuePair<T>& pair)
{
    from(pair.value);
}
template <class T>
void CEREAL_SAVE_FUNCTION_NAME(output_archive& to, const cereal::SizeTag<T>& tag)
{
    to(tag.size);
}
template <class T>
void CEREAL_LOAD_FUNCTION_NAME(input_archive& from, cereal::SizeTag<T>& tag)
{
    from(tag.size);
}

} // namespace tandem::detail

CEREAL_SETUP_ARCHIVE_TRAITS(tandem::detail::input_archive, tandem::detail::output_archive)
