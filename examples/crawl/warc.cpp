#include "warc.hpp"

#include "letters.hpp"

#include <fmt/chrono.h>
#include <fmt/core.h>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <random>

namespace crawl {

namespace {

std::string new_id()
{
    static std::random_device random;
    const auto r = [] { return static_cast<unsigned>(random()); };
    const unsigned a = r(), b = r(), c = r(), d = r();
    return fmt::format(
        "<urn:uuid:{:08x}-{:04x}-4{:03x}-{:04x}-{:04x}{:08x}>", a, b >> 16, b & 0xfff, (c >> 16 & 0x3fff) | 0x8000, c & 0xffff, d);
}

std::string now() { return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr))); }

// The head as it fits the content as we have it: unpacked and in one piece. What does not fit any more is kept under another name.
std::string fitted(std::string_view head, std::size_t size)
{
    std::string out;
    while (!head.empty()) {
        const std::size_t end = std::min(head.find('\n'), head.size() - 1) + 1;
        const std::string_view line = head.substr(0, end);
        head.remove_prefix(end);
        const std::string name = lower(line.substr(0, std::min(line.find(':'), line.size())));
        if (line == "\r\n" || line == "\n")
            break;
        if (name == "content-encoding" || name == "transfer-encoding" || name == "content-length")
            out += "X-Crawler-";
        out += line;
    }
    return out + fmt::format("Content-Length: {}\r\n\r\n", size);
}

} // namespace

warc::warc(std::filesystem::path file, std::int64_t size)
    : file_(std::move(file)), descriptor_(::open(file_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644)), size_(size)
{
    if (descriptor_ < 0)
        throw_errno("open", file_);
    if (::ftruncate(descriptor_, size_) != 0 || ::lseek(descriptor_, size_, SEEK_SET) < 0)
        throw_errno("truncate", file_);
    if (size_ == 0)
        write(fmt::format("WARC-Type: warcinfo\r\nWARC-Date: {}\r\nWARC-Filename: {}\r\nContent-Type: application/warc-fields\r\n",
                  now(), file_.filename().string()),
            "", "software: tandem-crawl\r\nformat: WARC File Format 1.1\r\n");
}

warc::~warc() { ::close(descriptor_); }

std::int64_t warc::add(const page_record& r)
{
    const std::int64_t begin = size_;
    const std::string_view content = r.state == page_state::duplicate ? std::string_view() : r.content.view();
    std::string fields = fmt::format("WARC-Type: {}\r\nWARC-Target-URI: {}\r\nWARC-Date: {}\r\nWARC-Payload-Digest: sha256:{}\r\n"
                                     "Content-Type: application/http;msgtype=response\r\n",
        r.state == page_state::duplicate ? "revisit" : "response", r.page.url, now(), r.hash);
    if (r.state == page_state::duplicate)
        fields += "WARC-Profile: http://netpreserve.org/warc/1.1/revisit/identical-payload-digest\r\n";
    write(fields, fitted(r.head, static_cast<std::size_t>(r.size)), content);
    return begin;
}

void warc::write(std::string_view fields, std::string_view head, std::string_view content)
{
    write(fmt::format(
        "WARC/1.1\r\nWARC-Record-ID: {}\r\n{}Content-Length: {}\r\n\r\n{}", new_id(), fields, head.size() + content.size(), head));
    write(content);
    write("\r\n\r\n");
}

void warc::write(std::string_view bytes)
{
    size_ += static_cast<std::int64_t>(bytes.size());
    while (!bytes.empty()) {
        const ssize_t n = ::write(descriptor_, bytes.data(), bytes.size());
        if (n < 0 && errno != EINTR)
            throw_errno("write", file_);
        if (n > 0)
            bytes.remove_prefix(static_cast<std::size_t>(n));
    }
}

} // namespace crawl
