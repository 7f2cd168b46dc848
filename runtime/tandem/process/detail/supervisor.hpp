#pragma once

#include <tandem/process/detail/frame.hpp>
#include <tandem/process/detail/mailbox.hpp>
#include <tandem/process/detail/remote_task.hpp>
#include <tandem/process/detail/server_protocol.hpp>
#include <tandem/process/detail/unique_fd.hpp>

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace tandem::detail {

/// The parent's side of a process pool: hands calls to workers, takes their answers, and replaces those that end.
///
/// A thread of its own waits for the sockets, with poll. A caller who would block for a result anyway may read the answer itself
/// (`run`); then no other thread has a part in it, and the round trip costs what the socket costs.
///
/// A worker's death is known by the report of the fork server, which is its parent; the end of its socket only says that it will come.
/// Whatever a call comes to, it is finished exactly once, outside the lock. Thread safety: every member from any thread, but for
/// construction, `stop` and destruction.
class supervisor {
public:
    struct options {
        std::size_t processes = 1;
        std::string name;
        frame_header setup;          // thunk and function of the initializer
        std::string setup_arguments; // for it
        std::uint64_t max_tasks = 0; // per worker; 0: no limit
        std::chrono::nanoseconds task_timeout{0};
    };

    /// Starts the workers and waits until each has run the initializer; throws what that threw.
    explicit supervisor(options o);
    ~supervisor();
    supervisor(const supervisor&) = delete;
    supervisor& operator=(const supervisor&) = delete;

    void submit(remote_task& t) noexcept;
    /// The same, by a caller who is about to wait for it: may block until the call is finished.
    void run(remote_task& t) noexcept;
    /// Finishes what is queued with operation_cancelled, and kills the workers, whose calls end with the same.
    void terminate() noexcept;
    /// When no call is left and none will come: the workers leave, and the thread ends.
    void stop() noexcept;

    [[nodiscard]] std::size_t size() const noexcept { return options_.processes; }
    [[nodiscard]] std::vector<int> pids() const;
    [[nodiscard]] std::uint64_t started() const noexcept; // workers, since the beginning

private:
    using clock = std::chrono::steady_clock;
    static constexpr auto respawn_delay = std::chrono::milliseconds(100); // after a fork that failed

    enum class phase { none, starting, idle, busy };

    /// The place of one worker, and the worker that has it now.
    struct slot {
        phase state = phase::none;
        std::uint64_t id = 0;
        int pid = 0;
        unique_fd socket;
        mailbox_mapping mail; // from when it is ready
        // Owned by whoever waits for the answer: the thread, or the caller while `direct`.
        frame_receiver receiver;
        remote_task* task = nullptr;
        bool direct = false;       // its last call was read by the caller; the thread does not poll it
        bool closed = false;       // nothing comes any more
        bool reset = false;        // and it had not read its last call
        bool doomed = false;       // to be killed, or about to end
        bool timed_out = false;    // that is why
        std::optional<int> status; // it has died
        std::uint64_t tasks = 0;
        clock::time_point deadline = clock::time_point::max(); // of the call; or of the death that must follow an end
    };
    struct finished {
        remote_task* task;
        remote_outcome outcome;
    };
    using finished_list = std::vector<finished>;

    static void finish(finished_list& list) noexcept;
    static std::exception_ptr terminated_error();
    void enqueue(remote_task& t, finished_list& done);
    [[nodiscard]] slot* find_idle(bool direct) noexcept;
    [[nodiscard]] bool begin(slot& s, remote_task& t, bool direct, finished_list& done);
    [[nodiscard]] remote_task* next_task(finished_list& done);
    void released(slot& s, finished_list& done);
    void answered(slot& s, remote_outcome&& o, finished_list& done);
    [[nodiscard]] remote_outcome outcome_of(slot& s) noexcept;
    void wake() noexcept;

    // The thread's.
    void thread_main() noexcept;
    [[nodiscard]] bool all_gone() const noexcept { return workers_alive_ == 0; }
    void serve_socket(std::size_t index);
    void serve_control();
    void check_deadlines();
    void again(remote_task& t, finished_list& done);
    void worker_gone(slot& s, finished_list& done);
    void spawn(slot& s, finished_list& done);
    void kill(slot& s) noexcept;
    void retire(slot& s, finished_list& done);
    void start_failed(const std::exception_ptr& why, finished_list& done);
    void break_down(const std::exception_ptr& why, finished_list& done) noexcept;
    void server_lost(finished_list& done);

    const options options_;
    const std::string process_name_;
    unique_fd control_;
    unique_fd wake_read_;
    unique_fd wake_write_;

    mutable std::mutex m_;
    std::condition_variable started_;
    std::vector<std::unique_ptr<slot>> slots_;
    remote_queue queue_;
    std::size_t idle_ = 0;          // slots
    std::size_t workers_alive_ = 0; // not yet reported dead, those on their way out too
    std::uint64_t next_id_ = 1;
    std::uint64_t next_number_ = 1;
    std::size_t failed_starts_ = 0;  // since a worker was last ready
    std::size_t ready_at_first_ = 0; // for the constructor
    clock::time_point respawn_at_ = clock::time_point::max();
    clock::time_point poll_until_ = clock::time_point::max();
    std::exception_ptr broken_;
    bool constructing_ = true;
    bool woken_ = false;
    bool terminated_ = false;
    bool stopping_ = false;
    bool lost_ = false; // the fork server
    std::thread thread_;
};

} // namespace tandem::detail
