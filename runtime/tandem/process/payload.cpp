#include <tandem/process/detail/payload.hpp>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <atomic>
#include <cerrno>
#include <system_error>
#include <utility>

namespace tandem::detail {

namespace {

// Each payload in shared memory holds a descriptor, of which a process has perhaps 1024. Those waiting in a queue beyond this many keep
// their bytes on the heap until their turn comes.
constexpr int most_spilled = 64;
std::atomic<int> spilled{0}; // relaxed throughout: a budget, which orders nothing

unique_fd anonymous_file()
{
#if defined(__linux__)
    unique_fd fd(::memfd_create("tandem", MFD_CLOEXEC));
    if (!fd)
        throw std::system_error(errno, std::system_category(), "memfd_create");
    return fd;
#else
    static std::atomic<unsigned> number{0};
    const std::string name =
        "/tandem-" + std::to_string(::getpid()) + "-" + std::to_string(number.fetch_add(1, std::memory_order_relaxed));
    unique_fd fd(::shm_open(name.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600));
    if (!fd)
        throw std::system_error(errno, std::system_category(), "shm_open");
    ::shm_unlink(name.c_str());
    return fd;
#endif
}

} // namespace

payload::payload(payload&& other) noexcept
    : bytes_(std::move(other.bytes_))
    , memory_(std::move(other.memory_))
    , spare_(std::move(other.spare_))
    , size_(std::exchange(other.size_, 0))
    , counted_(std::exchange(other.counted_, false))
{
}

payload& payload::operator=(payload&& other) noexcept
{
    payload moved(std::move(other));
    std::swap(bytes_, moved.bytes_);
    std::swap(memory_, moved.memory_);
    std::swap(spare_, moved.spare_);
    std::swap(size_, moved.size_);
    std::swap(counted_, moved.counted_);
    return *this;
}

payload::~payload()
{
    if (counted_)
        spilled.fetch_sub(1, std::memory_order_relaxed);
}

void payload::append(const void* p, std::size_t n)
{
    if (bytes_.size() + n > shared_memory_threshold) {
        if (!memory_ && spilled.load(std::memory_order_relaxed) < most_spilled)
            spill();
        if (memory_) {
            if (!bytes_.empty()) {
                write_out(bytes_.data(), bytes_.size());
                bytes_.clear();
            }
            if (n > shared_memory_threshold / 8) {
                write_out(p, n); // straight from where it lies: one copy
                size_ += n;
                return;
            }
        }
    }
    bytes_.append(static_cast<const char*>(p), n);
    size_ += n;
}

void payload::align(std::size_t a)
{
    constexpr char zeros[64] = {};
    append(zeros, (a - size_ % a) % a);
}

void payload::spill()
{
    memory_ = spare_ ? std::move(spare_) : anonymous_file();
    ::lseek(memory_.get(), 0, SEEK_SET);
    spilled.fetch_add(1, std::memory_order_relaxed);
    counted_ = true;
}

void payload::finish(bool in_memory)
{
    if (in_memory && !memory_)
        spill();
    if (memory_ && !bytes_.empty()) {
        write_out(bytes_.data(), bytes_.size());
        bytes_ = {};
    }
    spare_ = {};
}

void payload::write_out(const void* p, std::size_t n)
{
    const char* from = static_cast<const char*>(p);
    while (n > 0) {
        const ssize_t written = ::write(memory_.get(), from, n);
        if (written < 0) {
            if (errno == EINTR)
                continue;
            throw std::system_error(errno, std::system_category(), "writing to shared memory");
        }
        from += written;
        n -= static_cast<std::size_t>(written);
    }
}

payload_view::payload_view(const payload& p) : size_(p.size())
{
    if (!p.in_memory()) {
        data_ = p.bytes().data();
        return;
    }
    struct stat s{};
    if (::fstat(p.memory(), &s) != 0 || s.st_size < static_cast<off_t>(size_))
        throw std::system_error(std::make_error_code(std::errc::bad_message), "shared memory is shorter than it was said to be");
#if defined(MAP_POPULATE)
    constexpr int flags = MAP_SHARED | MAP_POPULATE; // all page table entries at once, in place of a fault for every few
#else
    constexpr int flags = MAP_SHARED;
#endif
    mapped_ = ::mmap(nullptr, size_, PROT_READ, flags, p.memory(), 0);
    if (mapped_ == MAP_FAILED) {
        mapped_ = nullptr;
        throw std::system_error(errno, std::system_category(), "mapping shared memory");
    }
    data_ = static_cast<const char*>(mapped_);
}

payload_view::~payload_view()
{
    if (mapped_)
        ::munmap(mapped_, size_);
}

} // namespace tandem::detail
