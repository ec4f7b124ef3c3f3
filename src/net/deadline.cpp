#include "deadline.hpp"

namespace meshcache::net {

deadline::deadline(deadline_sweep& sweep) : sweep_(sweep) { sweep.all_.push_back(*this); }

void deadline::arm(milliseconds after) noexcept { at_ = after.count() > 0 ? sweep_.now_ + after : never; }

void deadline_sweep::sweep(steady_time now) noexcept {
    now_ = now;
    // Deadlines that handlers add go to the back and are not due; on_deadline() only cancels operations, so
    // nothing is destroyed while the list is walked.
    for (auto& d : all_) {
        if (d.at_ <= now) {
            d.at_ = deadline::never;
            d.on_deadline();
        }
    }
}

} // namespace meshcache::net
