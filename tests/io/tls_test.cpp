// TLS streams are used as any other: what is awaited is Asio's own composed operations.

#include "loopback.hpp"
#include "support/threads.hpp"

#include <tandem/combine/when_all.hpp>
#include <tandem/combine/with_timeout.hpp>
#include <tandem/io/serve.hpp>
#include <tandem/io/use_task.hpp>
#include <tandem/pool/co_spawn.hpp>

#include <asio/ip/tcp.hpp>
#include <asio/read.hpp>
#include <asio/ssl.hpp>
#include <asio/ssl/impl/src.hpp> // the library has no TLS in it
#include <asio/thread_pool.hpp>
#include <asio/write.hpp>
#include <doctest/doctest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

using namespace tandem;
using namespace tandem::test;
using namespace std::chrono_literals;
using asio::ip::tcp;
using tls_stream = asio::ssl::stream<tcp::socket>;

namespace {

/// A context with a key and a certificate made on the spot.
asio::ssl::context server_context()
{
    const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_EC_gen("P-256"), &EVP_PKEY_free);
    const std::unique_ptr<X509, decltype(&X509_free)> certificate(X509_new(), &X509_free);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
    X509_set_pubkey(certificate.get(), key.get());
    X509_NAME* const name = X509_get_subject_name(certificate.get());
    const std::string host = "localhost";
    X509_NAME_add_entry_by_txt(
        name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(host.data()), static_cast<int>(host.size()), -1, 0);
    X509_set_issuer_name(certificate.get(), name);
    X509_sign(certificate.get(), key.get(), EVP_sha256());

    asio::ssl::context context(asio::ssl::context::tls_server);
    SSL_CTX_use_certificate(context.native_handle(), certificate.get());
    SSL_CTX_use_PrivateKey(context.native_handle(), key.get());
    return context;
}

task<> echo(tcp::socket socket, asio::ssl::context& context)
{
    tls_stream stream(std::move(socket), context);
    auto handshake = stream.async_handshake(tls_stream::server, use_task);
    co_await with_timeout(std::move(handshake), 10min);
    std::array<char, 1024> data;
    for (;;) {
        const std::size_t n = co_await stream.async_read_some(asio::buffer(data), use_task);
        co_await asio::async_write(stream, asio::buffer(data, n), use_task);
    }
}

task<std::string> ask(asio::thread_pool& io, tcp::endpoint address, std::string text)
{
    asio::ssl::context context(asio::ssl::context::tls_client); // verifies nobody: the certificate is nobody's
    tls_stream stream(io, context);
    co_await stream.lowest_layer().async_connect(address, use_task);
    co_await stream.async_handshake(tls_stream::client, use_task);
    co_await asio::async_write(stream, asio::buffer(text), use_task);
    std::string answer(text.size(), ' ');
    co_await asio::async_read(stream, asio::buffer(answer), use_task);
    co_return answer;
}

} // namespace

TEST_CASE("a TLS server and its clients, on one pool")
{
    auto context = server_context();
    thread_pool pool{4};
    tcp::acceptor acceptor = listen_on_loopback(pool.get_executor());
    serve_options options{.drain = 0s, .on_error = [](const std::exception_ptr&) {}}; // a client that leaves cuts the stream short
    const auto handler = [&](tcp::socket s) { return echo(std::move(s), context); };
    auto serving = co_spawn(pool, serve(acceptor, handler, options));
    const std::string text(50'000, 't');
    std::vector<task<std::string>> clients;
    for (int k = 0; k < 8; ++k)
        clients.push_back(ask(pool.context(), acceptor.local_endpoint(), text + std::to_string(k)));
    const auto answers = sync_wait(pool, when_all(std::move(clients)));
    for (int k = 0; k < 8; ++k)
        CHECK(answers[static_cast<std::size_t>(k)] == text + std::to_string(k));
    serving.cancel();
    serving.get();
}

TEST_CASE("handshakes raced against limits of time on many threads")
{
    auto context = server_context();
    thread_pool pool{8};
    tcp::acceptor acceptor = listen_on_loopback(pool.get_executor());
    serve_options options{.drain = 0s, .on_error = [](const std::exception_ptr&) {}};
    const auto handler = [&](tcp::socket s) { return echo(std::move(s), context); };
    auto serving = co_spawn(pool, serve(acceptor, handler, options));
    std::atomic<int> ended{0};
    constexpr int rounds = scaled(400, 200, 100);
    const auto laps = [&ended](asio::thread_pool& io, tcp::endpoint address, int first) -> task<> {
        for (int k = first; k < rounds; k += 4) {
            try {
                auto limited = with_timeout(ask(io, address, "hello"), std::chrono::microseconds(k * 13 % 5000));
                const std::string answer = co_await std::move(limited);
                CHECK(answer == "hello");
            }
            catch (const timeout_error&) {
            }
            ++ended;
        }
    };
    std::vector<async_result<void>> all;
    for (int k = 0; k < 4; ++k)
        all.push_back(co_spawn(pool, laps(pool.context(), acceptor.local_endpoint(), k)));
    for (auto& r : all)
        r.get();
    CHECK(ended == rounds);
    serving.cancel();
    serving.get();
}
