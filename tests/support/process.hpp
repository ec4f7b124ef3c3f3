#pragma once
// A child process with its output captured: started, watched, signalled, and never left behind.
#include "support/socket.hpp"
#include "support/wait.hpp"

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <sys/types.h>
#include <thread>
#include <vector>

namespace meshcache::test {

/// Started by the constructor, on the test's main thread (the child dies with the thread that started
/// it). The destructor kills what still runs. Any thread may read output(); the rest is for one thread.
class child_process {
  public:
    /// `environment` has NAME=value strings that are added to this process's own.
    explicit child_process(const std::vector<std::string>& command,
                           const std::vector<std::string>& environment = {});
    ~child_process();
    child_process(const child_process&) = delete;
    child_process& operator=(const child_process&) = delete;

    pid_t pid() const noexcept { return pid_; }
    void signal(int number) const noexcept;

    /// Standard output and standard error so far, together in the order in which they came.
    std::string output() const;
    /// Waits until the output has `text`; false when the process ended, or patience() passed, before.
    bool wait_for_output(const std::string& text) const;
    /// The rest of the first line that has `before`, from behind it on; waits for that as above.
    std::optional<std::string> wait_for_line(const std::string& before) const;

    /// Waits for the end, and returns the exit code, or 128 plus the signal that ended it.
    /// Gives up after patience().
    int wait();
    bool running();

    /// Resident memory in bytes now, and the highest since reset_peak() (or the start); 0 when it ended.
    std::size_t resident() const;
    std::size_t peak_resident() const;
    void reset_peak() const;
    /// Open descriptors.
    std::size_t descriptors() const;

  private:
    void read_output();
    bool wait_for(const std::function<bool()>& condition) const;

    pid_t pid_ = -1;
    std::optional<int> status_;
    unique_fd from_;
    mutable std::mutex mutex_;
    mutable std::condition_variable more_;
    std::string output_;
    bool at_end_ = false;
    std::thread reader_;
};

} // namespace meshcache::test
