#pragma once
// The circuit breaker for look-ups: when Redis fails several times in a row, requests stop waiting for it.
// Pure: time is an argument. Not thread-safe; the link keeps it under a mutex.
#include "backoff.hpp"

#include <meshcache/base/clock.hpp>

namespace meshcache::replica {

class breaker {
  public:
    /// Opens after `threshold` failures in a row; `pause` says for how long, longer with each failed probe.
    breaker(int threshold, backoff pause);

    /// Whether a look-up may be made now. While open, one is let through as a probe each time the pause is
    /// over; its outcome must be reported.
    bool allow(steady_time now);
    /// A look-up was answered in time: closes.
    void success();
    /// A look-up timed out or failed.
    void failure(steady_time now);
    /// Closes and forgets, for a new connection.
    void reset();

    bool is_open() const noexcept { return open_; }

  private:
    const int threshold_;
    backoff pause_;
    int failures_ = 0;
    bool open_ = false;
    steady_time next_probe_{};
};

} // namespace meshcache::replica
