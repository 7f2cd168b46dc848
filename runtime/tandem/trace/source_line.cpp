#include <tandem/trace/source_line.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <string_view>

namespace tandem {

namespace {

std::source_location location_of(const void* here) noexcept
{
    if constexpr (sizeof(std::source_location) == sizeof(void*))
        return std::bit_cast<std::source_location>(here);
    else
        return {};
}

bool opens(char c) noexcept { return c == '(' || c == '<' || c == '{' || c == '['; }
bool closes(char c) noexcept { return c == ')' || c == '>' || c == '}' || c == ']'; }

bool is_letter(char c) noexcept { return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

/// Where the last of the parentheses at the end of `s` was opened, or npos.
std::size_t last_group(std::string_view s) noexcept
{
    int depth = 0;
    for (std::size_t k = s.size(); k-- > 0;) {
        if (closes(s[k]))
            ++depth;
        else if (opens(s[k]) && --depth == 0)
            return k;
    }
    return std::string_view::npos;
}

void remove_all(std::string& s, std::string_view what)
{
    for (std::size_t k = s.find(what); k != std::string::npos; k = s.find(what, k))
        s.erase(k, what.size());
}

/// What is left of __PRETTY_FUNCTION__. GCC gives a coroutine's body as "void f(f(int)::_Z1fi.Frame*)", Clang as "task<> f(int)".
std::string short_name(std::string_view s)
{
    constexpr std::string_view call = "::operator()(";
    if (s.ends_with(']'))
        s = s.substr(0, std::min(s.rfind(" [with "), s.rfind(" [")));
    if (const std::size_t lambda = s.find(call); lambda != std::string_view::npos)
        s = s.substr(0, lambda);
    else if (const std::size_t end = s.rfind(')'); end != std::string_view::npos && end > 0)
        if (const std::size_t parameters = last_group(s.substr(0, end + 1)); parameters != std::string_view::npos)
            s = s.substr(0, parameters);
    // The result stands before the last space that is not inside something.
    int depth = 0;
    for (std::size_t k = s.size(); k-- > 0;) {
        if (closes(s[k]))
            ++depth;
        else if (opens(s[k]))
            --depth;
        else if (s[k] == ' ' && depth == 0) {
            s = s.substr(k + 1);
            break;
        }
    }
    std::string name;
    for (std::size_t k = 0; k < s.size(); ++k) {
        name += s[k];
        // The arguments of a template, which may be long; not "<lambda()>", which follows a colon.
        if (k + 1 < s.size() && s[k + 1] == '<' && is_letter(s[k])) {
            for (depth = 0; ++k < s.size();)
                if (opens(s[k]))
                    ++depth;
                else if (closes(s[k]) && --depth == 0)
                    break;
        }
    }
    remove_all(name, "{anonymous}::");
    remove_all(name, "(anonymous namespace)::");
    return name;
}

} // namespace

const char* source_line::file() const noexcept { return here_ ? location_of(here_).file_name() : ""; }
unsigned source_line::line() const noexcept { return here_ ? static_cast<unsigned>(location_of(here_).line()) : 0; }
std::string source_line::function() const { return here_ ? short_name(location_of(here_).function_name()) : std::string(); }

std::string source_line::text() const
{
    if (!here_)
        return "somewhere";
    std::string_view path = file();
    while (path.starts_with("../")) // of the folder that was built in
        path.remove_prefix(3);
    return function() + " (" + std::string(path) + ":" + std::to_string(line()) + ")";
}

} // namespace tandem
