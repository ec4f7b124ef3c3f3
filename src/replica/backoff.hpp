#pragma once
// Exponential back-off with jitter. Pure: randomness is injected. One thread.
#include <meshcache/base/clock.hpp>

#include <functional>

namespace meshcache::replica {

/// A source of numbers in [0, 1).
using random_source = std::function<double()>;

class backoff {
  public:
    backoff(milliseconds first, milliseconds max, random_source random);

    /// The next delay: between half of the current step and the whole of it; then the step doubles. The
    /// jitter keeps replicas that lost the same Redis from returning in step.
    milliseconds next();
    /// Back to the first step, after a success.
    void reset() noexcept { step_ = first_; }

  private:
    milliseconds first_, max_, step_;
    random_source random_;
};

} // namespace meshcache::replica
