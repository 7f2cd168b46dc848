#include <tandem/process/detail/mailbox.hpp>

#include <sys/mman.h>
#include <sys/stat.h>

#include <chrono>
#include <cstring>
#include <new>
#include <thread>
#include <utility>

namespace tandem::detail {

void mail_slot::look() noexcept { state_.store(state::looking, std::memory_order_release); }

mail_slot::result mail_slot::wait() noexcept
{
    using clock = std::chrono::steady_clock;
    constexpr auto limit = std::chrono::microseconds(30);
    const auto found = [](state s) { return s == state::full ? result::frame : result::elsewhere; };
    const clock::time_point until = clock::now() + limit;
    do
        for (int k = 0; k < 32; ++k) {
            if (const state s = state_.load(std::memory_order_acquire); s != state::looking)
                return found(s);
            cpu_relax();
        }
    while (clock::now() < until);
    state s = state::looking;
    if (state_.compare_exchange_strong(s, state::away, std::memory_order_acquire))
        return result::nothing;
    return found(s); // the sender was quicker
}

bool mail_slot::take(frame_header& h, std::string& bytes)
{
    h = header_; // looked at only as a copy, which nobody changes
    const bool good = h.magic == frame_header::right_magic && h.in_memory == 0 && h.size <= capacity;
    if (good)
        bytes.assign(bytes_, h.size);
    state_.store(state::away, std::memory_order_relaxed); // orders nothing: `look` comes before the next frame
    return good;
}

bool mail_slot::put(const frame_header& h, const payload& p) noexcept
{
    if (state_.load(std::memory_order_acquire) != state::looking)
        return false;
    const bool fits = !p.in_memory() && p.size() <= capacity;
    if (fits) {
        header_ = h;
        std::memcpy(bytes_, p.bytes().data(), p.size());
    }
    state expected = state::looking;
    return state_.compare_exchange_strong(
               expected, fits ? state::full : state::away, std::memory_order_release, std::memory_order_relaxed) &&
           fits;
}

// -----------------------------------------------------------------------------------------------

mailbox_mapping::~mailbox_mapping()
{
    if (box_)
        ::munmap(box_, sizeof(mailbox));
}

payload mailbox_mapping::create() noexcept
try {
    constexpr char zeros[sizeof(mailbox)] = {};
    payload p;
    p.append(zeros, sizeof zeros);
    p.finish(true);
    open(p);
    return p;
}
catch (...) {
    return {};
}

void mailbox_mapping::open(const payload& p) noexcept
{
    struct stat s{};
    if (!p.in_memory() || ::fstat(p.memory(), &s) != 0 || s.st_size != sizeof(mailbox))
        return;
    void* const memory = ::mmap(nullptr, sizeof(mailbox), PROT_READ | PROT_WRITE, MAP_SHARED, p.memory(), 0);
    if (memory != MAP_FAILED)
        box_ = static_cast<mailbox*>(memory);
}

bool patience::several_processors() noexcept
{
    static const bool several = std::thread::hardware_concurrency() > 1;
    return several;
}

} // namespace tandem::detail
