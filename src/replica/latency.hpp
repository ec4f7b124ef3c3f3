#pragma once
// Latencies of late: quantiles over the last samples. Not thread-safe; bounded.
#include <meshcache/replica/link.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace meshcache::replica {

class latency_window {
  public:
    explicit latency_window(std::size_t samples = 1024) : capacity_(samples) { samples_.reserve(samples); }

    void add(double ms);
    /// Quantiles over the last samples; count and maximum over all.
    latency_summary summary() const;

  private:
    const std::size_t capacity_;
    std::vector<double> samples_;
    std::uint64_t count_ = 0;
    double last_ = 0, max_ = 0;
};

} // namespace meshcache::replica
