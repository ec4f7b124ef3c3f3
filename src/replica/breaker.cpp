#include "breaker.hpp"

#include <utility>

namespace meshcache::replica {

breaker::breaker(int threshold, backoff pause) : threshold_(threshold), pause_(std::move(pause)) {}

bool breaker::allow(steady_time now) {
    if (!open_) return true;
    if (now < next_probe_) return false;
    // Should the probe's outcome be lost, the next pause lets another one through.
    next_probe_ = now + pause_.next();
    return true;
}

void breaker::success() { reset(); }

void breaker::failure(steady_time now) {
    ++failures_;
    if (open_) {
        // A failed probe: allow() has set the next one. Late failures of look-ups from before change nothing.
        return;
    }
    if (failures_ < threshold_) return;
    open_ = true;
    next_probe_ = now + pause_.next();
}

void breaker::reset() {
    failures_ = 0;
    open_ = false;
    pause_.reset();
}

} // namespace meshcache::replica
