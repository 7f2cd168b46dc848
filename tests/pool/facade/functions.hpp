// What the facade suite gives to a pool, so that it may cross to another process, and the gate that holds it up there.
#pragma once

#include "../support.hpp"

#include <tandem/tandem.hpp>

#include <doctest/doctest.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

using namespace tandem;
using namespace tandem::test;
using namespace std::chrono_literals;

namespace {

int add(int a, int b) { return a + b; }
void nothing(int) {}
int fails(int n) { throw std::runtime_error("no " + std::to_string(n)); }
int odd_only(int n) { return n % 2 == 1 ? n : fails(n); }

/// Holds up calls, in this process or another, until it is opened; its destructor opens it. Declared after the pool, so that no failed
/// test leaves a worker waiting.
class fifo {
public:
    fifo()
    {
        REQUIRE(::mkdtemp(folder_.data()) != nullptr);
        path_ = folder_ + "/gate";
        REQUIRE(::mkfifo(path_.c_str(), 0600) == 0);
    }
    fifo(const fifo&) = delete;
    fifo& operator=(const fifo&) = delete;
    ~fifo()
    {
        open();
        ::close(fd_);
        ::unlink(path_.c_str());
        ::rmdir(folder_.c_str());
    }

    void open()
    {
        if (fd_ < 0)
            fd_ = ::open(path_.c_str(), O_RDWR | O_CLOEXEC); // a writer, for whom all readers wait
    }
    [[nodiscard]] const std::string& path() const { return path_; }

    /// What a call does to wait at the gate.
    static int pass(const std::string& path, int value)
    {
        int fd = -1;
        do
            fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
        while (fd < 0 && errno == EINTR);
        if (fd >= 0)
            ::close(fd);
        return value;
    }

private:
    std::string folder_ = "/tmp/tandem-test-XXXXXX";
    std::string path_;
    int fd_ = -1;
};

std::vector<int> numbers(int n)
{
    std::vector<int> v(static_cast<std::size_t>(n));
    std::iota(v.begin(), v.end(), 0);
    return v;
}

std::vector<int> squares(int n)
{
    std::vector<int> v;
    for (int i = 0; i < n; ++i)
        v.push_back(square(i));
    return v;
}

template <class R>
std::vector<R> all_of(imap_results<R>&& results)
{
    std::vector<R> v;
    for (R& r : results)
        v.push_back(std::move(r));
    return v;
}

} // namespace
