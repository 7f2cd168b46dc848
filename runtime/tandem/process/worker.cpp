// A worker process: one thread that reads a call, runs it and answers, until its socket ends.

#include <tandem/process/detail/frame.hpp>
#include <tandem/process/detail/server_protocol.hpp>
#include <tandem/process/exception_codec.hpp>
#include <tandem/process/worker_call.hpp>

#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <utility>

namespace tandem::detail {

namespace {

[[noreturn]] void leave() noexcept
{
    std::fflush(nullptr); // what the calls have printed
    ::_exit(0);           // and nothing else: the destructors of statics are the parent's business
}

payload encoded_error(const std::exception_ptr& e)
{
    encoder to;
    encode_exception(to, e);
    return std::move(to).finish();
}

void run(worker_call& c, frame_header& answer, payload& bytes)
{
    try {
        c.header->thunk(c);
        bytes = std::move(c.answer).finish();
        answer.kind = c.header->kind == frame_kind::setup ? frame_kind::ready : frame_kind::value;
        answer.nanoseconds = c.nanoseconds;
    }
    catch (...) {
        bytes = encoded_error(std::current_exception());
        answer.kind = frame_kind::error;
    }
    answer.size = bytes.size();
    answer.in_memory = bytes.in_memory();
}

/// By itself glibc gives what is above 128 KiB back to the system after each call, and the next gets it anew, page by page. To free a
/// large block once tells it that such blocks come and go: mallopt(3), on the dynamic threshold.
void expect_large_blocks() noexcept
{
    void* volatile block = std::malloc(4 << 20); // volatile: or the compiler would leave both out
    std::free(block);
}

} // namespace

std::exception_ptr codec_error_from(const char* doing, const std::exception_ptr& why) noexcept
{
    try {
        std::rethrow_exception(why);
    }
    catch (const std::exception& e) {
        return std::make_exception_ptr(codec_error(std::string(doing) + ": " + e.what()));
    }
    catch (...) {
        return std::make_exception_ptr(codec_error(std::string(doing) + ": its codec threw no std::exception"));
    }
}

void run_worker(int socket) noexcept
{
    expect_large_blocks();
    frame_receiver receiver;
    mailbox_mapping mail;
    const auto pid = static_cast<std::uint64_t>(::getpid());
    for (;;) {
        if (receiver.receive(socket, true) != frame_receiver::status::complete)
            leave();
        const frame_header header = receiver.header();
        frame_header answer;
        payload bytes;
        {
            worker_call c{.header = &header, .arguments = receiver.take(), .answer = {}};
            if (header.thunk)
                run(c, answer, bytes);
            else
                answer.kind = frame_kind::ready; // no initializer
        }
        if (answer.kind == frame_kind::ready) {
            bytes = mail.create();
            answer.size = bytes.size();
            answer.in_memory = bytes.in_memory();
        }
        answer.count = pid; // so that who sees it ready knows it, whatever the server's report takes
        receiver.expect(mail.calls());
        if (!(mail.answers() && mail.answers()->put(answer, bytes)) && send_frame(socket, answer, bytes) != 0)
            leave();
    }
}

} // namespace tandem::detail
