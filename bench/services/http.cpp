// The reference for examples/http_service: the same answer on raw Asio callbacks, with the same parser, on as many threads.

#include "cases.hpp"

#include <asio/ip/tcp.hpp>
#include <asio/strand.hpp>
#include <asio/thread_pool.hpp>
#include <asio/write.hpp>

#if __has_include(<http_parser.h>)
#include "../../examples/http_message.hpp"
#endif

#include <array>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>

namespace services {

#if __has_include(<http_parser.h>)

namespace {

using asio::ip::tcp;

class http_session : public std::enable_shared_from_this<http_session> {
public:
    explicit http_session(tcp::socket s) : socket_(std::move(s)) { socket_.set_option(tcp::no_delay(true)); }
    void read()
    {
        socket_.async_read_some(asio::buffer(data_), [self = shared_from_this()](const asio::error_code& e, std::size_t n) {
            if (!e)
                self->answer({self->data_.data(), n});
        });
    }

private:
    void answer(std::string_view bytes)
    {
        try {
            while (!bytes.empty()) {
                bytes.remove_prefix(parser_.feed(bytes));
                if (parser_.complete()) {
                    const http::request r = parser_.take();
                    keep_alive_ = r.keep_alive;
                    http::append(out_, {.body = "Hello, World!", .type = "text/plain"}, keep_alive_);
                }
            }
        }
        catch (const http::refusal&) {
            return;
        }
        if (out_.empty()) {
            read();
            return;
        }
        asio::async_write(socket_, asio::buffer(out_), [self = shared_from_this()](const asio::error_code& e, std::size_t) {
            self->out_.clear();
            if (!e && self->keep_alive_)
                self->read();
        });
    }

    tcp::socket socket_;
    std::array<char, 16 * 1024> data_;
    std::string out_;
    http::parser parser_{http::limits{}};
    bool keep_alive_ = true;
};

void accept_http(tcp::acceptor& a)
{
    a.async_accept([&a](const asio::error_code& e, tcp::socket s) {
        if (!e)
            std::make_shared<http_session>(std::move(s))->read();
        accept_http(a);
    });
}

} // namespace

void http_server(const std::string& who)
{
    if (who != "asio_callbacks")
        throw std::invalid_argument("nobody serves HTTP as " + who);
    asio::thread_pool pool(2);
    tcp::acceptor a(pool, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    accept_http(a);
    serve_until_told(a.local_endpoint().port());
    std::_Exit(0);
}

#else

void http_server(const std::string&) { throw std::invalid_argument("built without http_parser.h"); }

#endif

} // namespace services
