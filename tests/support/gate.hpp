#pragma once
// A gate that opens once: what a test holds to let a scripted upstream go on at the right moment.
#include "support/wait.hpp"

#include <condition_variable>
#include <mutex>

namespace meshcache::test {

/// Any thread may do anything with it.
class gate {
  public:
    void open() {
        const std::lock_guard lock(mutex_);
        open_ = true;
        opened_.notify_all();
    }
    bool is_open() const {
        const std::lock_guard lock(mutex_);
        return open_;
    }
    /// Whether it opened within `bound`.
    bool wait_for(milliseconds bound) const {
        std::unique_lock lock(mutex_);
        return opened_.wait_for(lock, bound, [this] { return open_; });
    }
    /// Waits for it to open, or gives up after patience().
    void wait() const {
        if (!wait_for(patience())) give_up("a gate stayed closed");
    }

  private:
    mutable std::mutex mutex_;
    mutable std::condition_variable opened_;
    bool open_ = false;
};

} // namespace meshcache::test
