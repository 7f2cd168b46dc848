#include <tandem/base/readable_name.hpp>
#include <tandem/process/exception_codec.hpp>

#include <cxxabi.h>

#include <any>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <future>
#include <ios>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <typeinfo>
#include <variant>

namespace tandem::detail {

namespace {

/// What is sent of an exception.
struct parts {
    std::uint8_t kind = 0; // an index into the kinds; 0: none of them
    std::string text;      // what() or, where what() is put together from it and more, what it was made of
    std::string type;      // when kind is 0
    std::int32_t code = 0;
    std::string category;
    std::string path1, path2;
};

struct kind {
    const std::type_info* type;
    std::exception_ptr (*make)(const parts&);
};

std::error_code code_of(const parts& p)
{
    for (const std::error_category* c :
        {&std::generic_category(), &std::system_category(), &std::iostream_category(), &std::future_category(), &tandem_category()})
        if (p.category == c->name())
            return {p.code, *c};
    return {};
}

template <class E>
std::exception_ptr from_text(const parts& p)
{
    return std::make_exception_ptr(E(p.text));
}
template <class E>
std::exception_ptr from_nothing(const parts&)
{
    return std::make_exception_ptr(E());
}
template <class E>
std::exception_ptr from_code(const parts& p)
{
    const std::error_code code = code_of(p);
    return p.text.empty() ? std::make_exception_ptr(E(code)) : std::make_exception_ptr(E(code, p.text));
}
std::exception_ptr failure(const parts& p) { return std::make_exception_ptr(std::ios_base::failure(p.text, code_of(p))); }
std::exception_ptr file_error(const parts& p)
{
    using std::filesystem::filesystem_error;
    if (p.path1.empty())
        return std::make_exception_ptr(filesystem_error(p.text, code_of(p)));
    if (p.path2.empty())
        return std::make_exception_ptr(filesystem_error(p.text, p.path1, code_of(p)));
    return std::make_exception_ptr(filesystem_error(p.text, p.path1, p.path2, code_of(p)));
}

template <class E>
constexpr kind text_kind{&typeid(E), &from_text<E>};
template <class E>
constexpr kind bare_kind{&typeid(E), &from_nothing<E>};

// The most derived type of the exception must be one of these. The sender's index is the receiver's: it is the same program.
constexpr kind kinds[] = {
    {nullptr, nullptr},
    text_kind<std::runtime_error>,
    text_kind<std::range_error>,
    text_kind<std::overflow_error>,
    text_kind<std::underflow_error>,
    text_kind<std::logic_error>,
    text_kind<std::invalid_argument>,
    text_kind<std::domain_error>,
    text_kind<std::length_error>,
    text_kind<std::out_of_range>,
    text_kind<pool_closed>,
    text_kind<operation_cancelled>,
    text_kind<timeout_error>,
    text_kind<would_deadlock>,
    text_kind<codec_error>,
    bare_kind<std::exception>,
    bare_kind<std::bad_exception>,
    bare_kind<std::bad_alloc>,
    bare_kind<std::bad_array_new_length>,
    bare_kind<std::bad_cast>,
    bare_kind<std::bad_any_cast>,
    bare_kind<std::bad_typeid>,
    bare_kind<std::bad_function_call>,
    bare_kind<std::bad_optional_access>,
    bare_kind<std::bad_variant_access>,
    bare_kind<std::bad_weak_ptr>,
    {&typeid(std::system_error), &from_code<std::system_error>},
    {&typeid(error), &from_code<error>},
    {&typeid(std::ios_base::failure), &failure},
    {&typeid(std::filesystem::filesystem_error), &file_error},
};

/// `text` up to the part that the constructor will add again.
std::string without(const std::string& text, const std::string& added)
{
    if (text == added)
        return {};
    const std::size_t at = text.find(": " + added);
    return at == std::string::npos ? text : text.substr(0, at);
}

parts parts_of(const std::exception_ptr& e)
{
    parts p;
    const std::type_info* type = nullptr;
    const std::error_code* code = nullptr;
    std::error_code kept;
    try {
        std::rethrow_exception(e);
    }
    catch (const std::exception& x) {
        type = &typeid(x);
        p.text = x.what();
        if (const auto* const s = dynamic_cast<const std::system_error*>(&x)) {
            kept = s->code();
            code = &kept;
        }
        if (const auto* const f = dynamic_cast<const std::filesystem::filesystem_error*>(&x)) {
            p.path1 = f->path1().string();
            p.path2 = f->path2().string();
        }
    }
    catch (...) {
        type = abi::__cxa_current_exception_type();
    }
    for (std::uint8_t k = 1; type && k < std::size(kinds); ++k)
        if (*kinds[k].type == *type)
            p.kind = k;
    if (p.kind != 0 && code) {
        p.code = code->value();
        p.category = code->category().name();
        if (code_of(p) != *code)
            p.kind = 0; // a category of somebody else's
        else if (kinds[p.kind].make == &file_error) {
            p.text = without(p.text, code->message());
            if (const std::string prefix = "filesystem error: "; p.text.starts_with(prefix))
                p.text = p.text.substr(prefix.size());
        }
        else if (kinds[p.kind].make != &from_code<error>)
            p.text = without(p.text, code->message());
    }
    if (p.kind == 0)
        p.type = type ? readable_name(type->name()) : "unknown";
    return p;
}

void write_text(encoder& to, const std::string& s)
{
    const std::uint64_t n = s.size();
    to.write(&n, sizeof n);
    to.write(s.data(), s.size());
}

std::string read_text(decoder& from)
{
    const std::size_t n = from.read_count(1);
    return {from.take(n), n};
}

} // namespace

void encode_exception(encoder& to, const std::exception_ptr& e)
{
    const parts p = parts_of(e);
    to.write(&p.kind, sizeof p.kind);
    to.write(&p.code, sizeof p.code);
    for (const std::string* s : {&p.text, &p.type, &p.category, &p.path1, &p.path2})
        write_text(to, *s);
}

std::exception_ptr decode_exception(decoder& from)
{
    parts p;
    from.read(&p.kind, sizeof p.kind);
    from.read(&p.code, sizeof p.code);
    for (std::string* s : {&p.text, &p.type, &p.category, &p.path1, &p.path2})
        *s = read_text(from);
    if (p.kind == 0 || p.kind >= std::size(kinds))
        return std::make_exception_ptr(remote_error(p.type, p.text));
    return kinds[p.kind].make(p);
}

} // namespace tandem::detail
