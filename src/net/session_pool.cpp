#include "session.hpp"
#include "session_pool.hpp"

#include <algorithm>
#include <cstddef>
#include <new>
#include <utility>

namespace meshcache::net {

void session_deleter::operator()(session* s) const noexcept { delete s; }

session_lease session_pool::take(loop_context& loop) {
    if (spare_.empty()) return session_lease(new session(loop));
    auto s = std::move(spare_.back());
    spare_.pop_back();
    unused_ = std::min(unused_, spare_.size());
    return s;
}

void session_pool::give(session_lease s) noexcept {
    try {
        spare_.push_back(std::move(s));
    } catch (const std::bad_alloc&) {
        // It goes, then.
    }
}

void session_pool::trim() noexcept {
    const auto surplus = unused_ / 2;
    // The ones that were used last stand at the end.
    spare_.erase(spare_.begin(), spare_.begin() + static_cast<std::ptrdiff_t>(surplus));
    unused_ = spare_.size();
}

} // namespace meshcache::net
