// A worker process: one thread that reads a call, runs it and answers, until its socket ends.

#include <tandem/process/detail/frame.hpp>
#include <tandem/process/detail/server_protocol.hpp>
#include <tandem/process/exception_codec.hpp>
#include <tandem/process/worker_call.hpp>

#include <sys/socket.h>
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

class worker {
public:
    explicit worker(int socket) noexcept : socket_(socket), pid_(static_cast<std::uint64_t>(::getpid())) {}

    /// Waits for a call, runs it and answers; false when there is nobody any more.
    bool serve_one()
    {
        if (receiver_.receive(socket_, true) != frame_receiver::status::complete)
            return false;
        const frame_header header = receiver_.header();
        frame_header answer;
        payload bytes;
        {
            worker_call c{.header = &header, .arguments = receiver_.take(), .answer = {}};
            if (header.thunk)
                run(c, answer, bytes);
            else
                answer.kind = frame_kind::ready; // no initializer
        }
        if (answer.kind == frame_kind::ready) {
            bytes = mail_.create();
            answer.size = bytes.size();
            answer.in_memory = bytes.in_memory();
        }
        answer.count = pid_; // so that who sees it ready knows it, whatever the server's report takes
        receiver_.expect(mail_.calls());
        mail_slot* const mail = mail_.answers();
        return (mail && mail->put(answer, bytes)) || send_frame(socket_, answer, bytes) == 0;
    }

private:
    const int socket_;
    const std::uint64_t pid_;
    frame_receiver receiver_;
    mailbox_mapping mail_;
};

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
    worker w(socket);
    while (w.serve_one()) {}
    leave();
}

void rehearse_worker() noexcept
{
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return;
    const unique_fd parents(ends[0]);
    const unique_fd workers(ends[1]);
    expect_large_blocks();
    const frame_header setup{.kind = frame_kind::setup};
    worker w(workers.get());
    if (send_frame(parents.get(), setup, payload()) != 0 || !w.serve_one())
        return;
    frame_receiver receiver;
    mailbox_mapping mail;
    if (receiver.receive(parents.get(), true) != frame_receiver::status::complete)
        return;
    mail.open(receiver.take());
    const frame_header call{.kind = frame_kind::call, .thunk = [](worker_call&) {}};
    if ((mail.calls() && mail.calls()->put(call, payload())) || send_frame(parents.get(), call, payload()) == 0)
        static_cast<void>(w.serve_one());
}

} // namespace tandem::detail
