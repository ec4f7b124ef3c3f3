#include "deadline.hpp"

namespace meshcache::net {

void deadline::arm(milliseconds after) noexcept {
    if (after.count() <= 0) return clear();
    at_ = sweep_.now_ + after;
    if (!is_linked()) sweep_.set_.push_back(*this);
}

void deadline_sweep::sweep(steady_time now) noexcept {
    now_ = now;
    // What is due is set aside first: a handler may take any deadline out of the list that is being walked.
    deadlines due;
    for (auto at = set_.begin(); at != set_.end();) {
        auto& d = *at++;
        if (d.at_ > now && d.at_ != deadline::never) continue;
        set_.erase(set_.iterator_to(d));
        if (d.at_ != deadline::never) due.push_back(d);
    }
    while (!due.empty()) {
        auto& d = due.front();
        due.pop_front();
        if (d.at_ > now) {
            // Another handler has cleared it, or set it anew.
            set_.push_back(d);
            continue;
        }
        d.at_ = deadline::never;
        d.on_deadline();
    }
}

} // namespace meshcache::net
