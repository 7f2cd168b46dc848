#include <tandem/pool/start_thread.hpp>

#include <atomic>
#include <list>
#include <mutex>
#include <thread>

namespace tandem::detail {

namespace {

/// The threads whose handles were dropped, or may be: joined when they have ended, at the latest at the end of the program.
class threads {
public:
    void start(std::shared_ptr<run_loop> loop, job& first)
    {
        const std::lock_guard lock(m_);
        running_.remove_if([](entry& e) {
            if (!e.ended.load(std::memory_order_acquire))
                return false;
            e.thread.join();
            return true;
        });
        entry& e = running_.emplace_back();
        try {
            e.thread = std::thread([&e, loop = std::move(loop), &first]() mutable {
                loop->post(first);
                loop->run();
                loop.reset();
                e.ended.store(true, std::memory_order_release);
            });
        }
        catch (...) {
            running_.pop_back();
            throw;
        }
    }

    ~threads()
    {
        for (entry& e : running_)
            e.thread.join();
    }

private:
    struct entry {
        std::thread thread;
        std::atomic<bool> ended{false};
    };

    std::mutex m_;
    std::list<entry> running_;
};

} // namespace

void run_on_new_thread(std::shared_ptr<run_loop> loop, job& first)
{
    static threads all;
    all.start(std::move(loop), first);
}

} // namespace tandem::detail
