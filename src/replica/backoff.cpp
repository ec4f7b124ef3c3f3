#include "backoff.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>

namespace meshcache::replica {

backoff::backoff(milliseconds first, milliseconds max, random_source random)
    : first_(std::max(first, milliseconds{1})), max_(std::max(max, first_)), step_(first_),
      random_(std::move(random)) {}

milliseconds backoff::next() {
    const double whole = static_cast<double>(step_.count());
    const double delay = whole / 2 + random_() * whole / 2;
    step_ = std::min(step_ * 2, max_);
    return milliseconds{std::max<std::int64_t>(1, static_cast<std::int64_t>(delay))};
}

} // namespace meshcache::replica
