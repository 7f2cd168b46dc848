#include "body.hpp"

#include <fmt/core.h>
#include <openssl/evp.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace crawl {

namespace {

// In several folders, since each creates its files one after another.
std::filesystem::path new_name(const std::filesystem::path& folder)
{
    static std::atomic<unsigned> number{0};
    const unsigned n = ++number;
    return folder / fmt::format("{}/{}.part", n % body::folders, n);
}

} // namespace

void body::make_folders(const std::filesystem::path& folder)
{
    std::filesystem::remove_all(folder);
    for (unsigned n = 0; n < folders; ++n)
        std::filesystem::create_directories(folder / std::to_string(n));
}

namespace {

int create(const std::filesystem::path& file)
{
    const int descriptor = ::open(file.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (descriptor < 0)
        throw_errno("open", file);
    return descriptor;
}

void write_all(int descriptor, std::string_view bytes, const std::filesystem::path& file)
{
    while (!bytes.empty()) {
        const ssize_t n = ::write(descriptor, bytes.data(), bytes.size());
        if (n < 0 && errno != EINTR)
            throw_errno("write", file);
        if (n > 0)
            bytes.remove_prefix(static_cast<std::size_t>(n));
    }
}

} // namespace

void throw_errno(const char* doing, const std::filesystem::path& path)
{
    throw std::system_error(errno, std::generic_category(), fmt::format("{} {}", doing, path.string()));
}

body::body(body&& other) noexcept
    : folder_(std::move(other.folder_))
    , memory_(std::move(other.memory_))
    , size_(std::exchange(other.size_, 0))
    , file_(std::move(other.file_))
    , descriptor_(std::exchange(other.descriptor_, -1))
    , mapped_(std::exchange(other.mapped_, nullptr))
{
}

body& body::operator=(body&& other) noexcept
{
    std::swap(folder_, other.folder_);
    std::swap(memory_, other.memory_);
    std::swap(size_, other.size_);
    std::swap(file_, other.file_);
    std::swap(descriptor_, other.descriptor_);
    std::swap(mapped_, other.mapped_);
    return *this;
}

body::~body()
{
    if (mapped_)
        ::munmap(mapped_, size_);
    if (descriptor_ >= 0) {
        ::close(descriptor_);
        ::unlink(file_.c_str());
    }
}

void body::append(std::string_view bytes)
{
    if (descriptor_ < 0 && size_ + bytes.size() > in_memory && !folder_.empty())
        spill();
    if (descriptor_ >= 0)
        write_all(descriptor_, bytes, file_);
    else
        memory_.append(bytes);
    size_ += bytes.size();
}

void body::spill()
{
    file_ = new_name(folder_);
    descriptor_ = create(file_);
    write_all(descriptor_, memory_, file_);
    memory_ = {};
}

std::string_view body::view() const
{
    if (descriptor_ < 0)
        return memory_;
    if (!mapped_) {
        void* const p = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, descriptor_, 0);
        if (p == MAP_FAILED)
            throw_errno("mmap", file_);
        mapped_ = p;
    }
    return {static_cast<const char*>(mapped_), size_};
}

std::filesystem::path body::to_file() &&
{
    if (descriptor_ < 0)
        spill();
    if (mapped_)
        ::munmap(std::exchange(mapped_, nullptr), size_);
    if (::close(std::exchange(descriptor_, -1)) != 0)
        throw_errno("close", file_);
    return std::move(file_);
}

std::string sha256(std::string_view bytes)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (EVP_Digest(bytes.data(), bytes.size(), digest, &size, EVP_sha256(), nullptr) != 1)
        throw std::runtime_error("SHA-256 is not to be had from OpenSSL");
    std::string hex;
    hex.reserve(2 * size);
    for (unsigned i = 0; i < size; ++i) {
        hex += "0123456789abcdef"[digest[i] >> 4];
        hex += "0123456789abcdef"[digest[i] & 15];
    }
    return hex;
}

} // namespace crawl
