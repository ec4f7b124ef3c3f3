#pragma once
// A flag that a coroutine waits for, within one event loop.
#include "io.hpp"

#include <exception>

namespace meshcache::net {

/// Set once, waited for by one coroutine at a time. Used by one thread.
class event {
  public:
    explicit event(const executor& ex) : timer_(ex) {}

    void set() {
        set_ = true;
        timer_.cancel();
    }
    void clear() noexcept { set_ = false; }
    bool is_set() const noexcept { return set_; }

    /// Waits until set() or until `timeout` has passed; returns whether it was set.
    task<bool> wait(std::chrono::steady_clock::duration timeout = std::chrono::hours(24)) {
        if (set_) co_return true;
        timer_.expires_after(timeout);
        (void)co_await timer_.async_wait(use_task);
        co_return set_;
    }

  private:
    timer timer_;
    bool set_ = false;
};

/// Stands behind what a spawned coroutine refers to and the spawning one waits for at its end: if an
/// exception takes that away before `ended` is set, which only want of memory does, the process ends rather
/// than that the other goes on with what is gone.
class must_outlast {
  public:
    explicit must_outlast(const event& ended) noexcept : ended_(ended) {}
    ~must_outlast() {
        if (std::uncaught_exceptions() > 0 && !ended_.is_set()) std::terminate();
    }
    must_outlast(const must_outlast&) = delete;
    must_outlast& operator=(const must_outlast&) = delete;

  private:
    const event& ended_;
};

} // namespace meshcache::net
