// The mailbox beside a worker's socket: a frame comes by exactly one of the two.
#include "support.hpp"

#include <tandem/process/detail/frame.hpp>
#include <tandem/process/detail/mailbox.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <utility>

using namespace tandem;
using namespace tandem::detail;

namespace {

frame_header header_of(const payload& p, std::uint64_t number = 0)
{
    return {.kind = frame_kind::call, .size = p.size(), .count = number};
}

/// A mailbox as two processes have it, and the sockets.
struct pair {
    pair()
    {
        const payload memory = one.create();
        other.open(memory);
        REQUIRE(one.calls());
        REQUIRE(other.calls());
        int ends[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
        ours = unique_fd(ends[0]);
        theirs = unique_fd(ends[1]);
    }
    mailbox_mapping one;
    mailbox_mapping other;
    unique_fd ours;
    unique_fd theirs;
};

void send(mail_slot& m, int socket, const frame_header& h, const payload& p)
{
    if (!m.put(h, p))
        REQUIRE(send_frame(socket, h, p) == 0);
}

} // namespace

TEST_CASE("a frame is taken only while somebody looks")
{
    const pair p;
    mail_slot& to = *p.one.calls();
    mail_slot& from = *p.other.calls();
    const payload text(std::string("some bytes"));
    CHECK_FALSE(to.put(header_of(text), text));
    from.look();
    CHECK_FALSE(to.unread());
    CHECK(to.put(header_of(text, 7), text));
    CHECK(to.unread());
    CHECK_FALSE(to.put(header_of(text), text));
    CHECK(from.wait() == mail_slot::result::frame);
    frame_header h;
    std::string bytes;
    CHECK(from.take(h, bytes));
    CHECK(h.count == 7);
    CHECK(bytes == "some bytes");
    CHECK_FALSE(to.unread());
    CHECK_FALSE(to.put(header_of(text), text));
    from.look();
    CHECK(from.wait() == mail_slot::result::nothing);
    CHECK_FALSE(to.put(header_of(text), text));
}

TEST_CASE("what is too large sends the receiver to the socket")
{
    const pair p;
    for (const std::size_t n : {std::size_t{0}, mail_slot::capacity, mail_slot::capacity + 1}) {
        const payload text(std::string(n, 'x'));
        p.other.calls()->look();
        CHECK(p.one.calls()->put(header_of(text), text) == (n <= mail_slot::capacity));
        CHECK(p.other.calls()->wait() == (n <= mail_slot::capacity ? mail_slot::result::frame : mail_slot::result::elsewhere));
        frame_header h;
        std::string bytes;
        if (n <= mail_slot::capacity)
            CHECK((p.other.calls()->take(h, bytes) && bytes.size() == n));
    }
}

TEST_CASE("what a process that has gone mad wrote is no frame")
{
    const pair p;
    const payload text(std::string(3, 'x'));
    for (frame_header h : {frame_header{.magic = 0}, frame_header{.size = mail_slot::capacity + 1}, frame_header{.in_memory = 1}}) {
        p.other.calls()->look();
        REQUIRE(p.one.calls()->put(h, text));
        std::string bytes;
        CHECK_FALSE(p.other.calls()->take(h, bytes));
    }
}

TEST_CASE("a mailbox that does not come is none")
{
    mailbox_mapping m;
    m.open(payload());
    m.open(payload(std::string("no memory")));
    payload small;
    small.append("x", 1);
    small.finish(true);
    m.open(small);
    CHECK_FALSE(m.calls());
    CHECK_FALSE(m.answers());
}

TEST_CASE("patience wears out, and comes back")
{
    if (std::thread::hardware_concurrency() < 2)
        return; // there is none
    patience p;
    const auto waits_asleep = [&] {
        int n = 0;
        while (!p.has_some())
            ++n;
        return n;
    };
    for (const int n : {0, 1, 2, 4, 8, 16, 32, 32}) {
        CHECK(waits_asleep() == n);
        p.disappointed();
    }
    CHECK(waits_asleep() == 32);
    p.rewarded();
    CHECK(p.has_some());
    p.disappointed();
    CHECK(waits_asleep() == 1);
}

TEST_CASE("to and fro, by whatever way is open just then")
{
    const pair p;    // of which one mapping is used: ThreadSanitizer goes by addresses
    struct hang_up { // also when a check has failed: nobody must wait for the other then
        ~hang_up() { ::shutdown(socket, SHUT_RDWR); }
        int socket;
    };
    const std::uint64_t rounds = test::scaled(100'000, 20'000, 20'000);
    const auto text_of = [](std::uint64_t n) {
        return std::string(n % 7 == 0 ? n % 3000 : n % 100, static_cast<char>('a' + n % 26));
    };
    test::on_threads(
        [&] {
            const hang_up at_the_end{p.ours.get()};
            test::jitter pause(1);
            frame_receiver r;
            for (std::uint64_t n = 0; n < rounds; ++n) {
                const payload call(text_of(n));
                r.expect(p.one.answers());
                send(*p.one.calls(), p.ours.get(), header_of(call, n), call);
                REQUIRE(r.receive(p.ours.get(), true) == frame_receiver::status::complete);
                REQUIRE(r.header().count == n);
                REQUIRE(r.take().bytes() == text_of(n + 1));
                if (n % 64 == 0)
                    pause.spin(60'000); // now and then longer than the other looks
            }
        },
        [&] {
            const hang_up at_the_end{p.theirs.get()};
            test::jitter pause(2);
            frame_receiver r;
            for (std::uint64_t n = 0; r.receive(p.theirs.get(), true) == frame_receiver::status::complete; ++n) {
                REQUIRE(r.header().count == n);
                REQUIRE(r.take().bytes() == text_of(n));
                if (n % 50 == 0)
                    pause.spin(60'000);
                const payload answer(text_of(n + 1));
                r.expect(p.one.calls());
                send(*p.one.answers(), p.theirs.get(), header_of(answer, n), answer);
            }
        });
}
