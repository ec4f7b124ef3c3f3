#include "latency.hpp"

#include <algorithm>

namespace meshcache::replica {

void latency_window::add(double ms) {
    if (samples_.size() < capacity_)
        samples_.push_back(ms);
    else
        samples_[count_ % capacity_] = ms;
    ++count_;
    last_ = ms;
    max_ = std::max(max_, ms);
}

latency_summary latency_window::summary() const {
    latency_summary out;
    out.count = count_;
    out.last_ms = last_;
    out.max_ms = max_;
    if (samples_.empty()) return out;
    std::vector<double> sorted = samples_;
    std::sort(sorted.begin(), sorted.end());
    out.p50_ms = sorted[(sorted.size() - 1) / 2];
    out.p99_ms = sorted[(sorted.size() - 1) * 99 / 100];
    return out;
}

} // namespace meshcache::replica
