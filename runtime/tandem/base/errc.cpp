#include <tandem/base/errc.hpp>

#include <typeinfo>

namespace tandem {
namespace {

class category final : public std::error_category {
public:
    [[nodiscard]] const char* name() const noexcept override { return "tandem"; }

    [[nodiscard]] std::string message(int value) const override
    {
        switch (static_cast<errc>(value)) {
        case errc::pool_closed:
            return "the pool is closed";
        case errc::operation_cancelled:
            return "the operation was cancelled";
        case errc::timeout:
            return "the operation timed out";
        case errc::would_deadlock:
            return "to wait here would deadlock";
        case errc::channel_closed:
            return "the channel is closed";
        case errc::worker_died:
            return "the worker process has died";
        case errc::remote_error:
            return "the work threw in a worker process";
        case errc::codec:
            return "a value could not cross between processes";
        }
        return "unknown tandem error " + std::to_string(value);
    }

    [[nodiscard]] std::error_condition default_error_condition(int value) const noexcept override
    {
        switch (static_cast<errc>(value)) {
        case errc::pool_closed:
        case errc::worker_died:
        case errc::remote_error:
        case errc::codec:
            break; // POSIX has no word for it
        case errc::operation_cancelled:
            return std::errc::operation_canceled;
        case errc::timeout:
            return std::errc::timed_out;
        case errc::would_deadlock:
            return std::errc::resource_deadlock_would_occur;
        case errc::channel_closed:
            return std::errc::broken_pipe;
        }
        return {value, *this};
    }
};

// Never destroyed: threads and the destructors of other statics may still hold a code at exit.
union category_storage {
    constexpr category_storage() : value() {}
    ~category_storage() {}
    category value;
};
constinit category_storage the_category;

std::string sentence(const std::error_code& code, const std::string& text)
{
    if (text.empty())
        return code.message();
    if (text.find(": ") != std::string::npos)
        return text;
    return text + ": " + code.message();
}

} // namespace

const std::error_category& tandem_category() noexcept { return the_category.value; }

error::error(std::error_code code) : std::system_error(code), text_(code.message()) {}
error::error(std::error_code code, const std::string& text) : std::system_error(code), text_(sentence(code, text)) {}
error::~error() = default;
const char* error::what() const noexcept { return text_.what(); }

pool_closed::pool_closed() : error(errc::pool_closed) {}
pool_closed::pool_closed(const char* text) : error(errc::pool_closed, text) {}
pool_closed::pool_closed(const std::string& text) : error(errc::pool_closed, text) {}
pool_closed::~pool_closed() = default;

operation_cancelled::operation_cancelled() : error(errc::operation_cancelled) {}
operation_cancelled::operation_cancelled(const char* text) : error(errc::operation_cancelled, text) {}
operation_cancelled::operation_cancelled(const std::string& text) : error(errc::operation_cancelled, text) {}
operation_cancelled::~operation_cancelled() = default;

timeout_error::timeout_error() : error(errc::timeout) {}
timeout_error::timeout_error(const char* text) : error(errc::timeout, text) {}
timeout_error::timeout_error(const std::string& text) : error(errc::timeout, text) {}
timeout_error::~timeout_error() = default;

would_deadlock::would_deadlock() : error(errc::would_deadlock) {}
would_deadlock::would_deadlock(const char* text) : error(errc::would_deadlock, text) {}
would_deadlock::would_deadlock(const std::string& text) : error(errc::would_deadlock, text) {}
would_deadlock::~would_deadlock() = default;

channel_closed::channel_closed() : error(errc::channel_closed) {}
channel_closed::channel_closed(const char* text) : error(errc::channel_closed, text) {}
channel_closed::channel_closed(const std::string& text) : error(errc::channel_closed, text) {}
channel_closed::~channel_closed() = default;

bool is_operation_cancelled(const std::exception_ptr& error) noexcept
{
    if (!error)
        return false;
#if defined(__GLIBCXX__)
    // Without throwing it: that takes a microsecond, and losers of a race are cancelled all the time.
    if (const std::type_info* const type = error.__cxa_exception_type())
        if (*type == typeid(operation_cancelled))
            return true;
#endif
    try {
        std::rethrow_exception(error);
    }
    catch (const operation_cancelled&) {
        return true; // or derived from it
    }
    catch (...) {
        return false;
    }
}

} // namespace tandem
