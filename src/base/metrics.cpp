#include <meshcache/base/metrics.hpp>

namespace meshcache {
namespace {

constexpr std::array<counter_info, counter_count> table{{
#define MESHCACHE_COUNTER_INFO(id, name, labels, help) {name, labels, help},
    MESHCACHE_COUNTERS(MESHCACHE_COUNTER_INFO)
#undef MESHCACHE_COUNTER_INFO
}};

} // namespace

const counter_info& describe(counter c) noexcept { return table[static_cast<std::size_t>(c)]; }

metrics_slab& metrics::make_slab() {
    const std::lock_guard lock(mutex_);
    return slabs_.emplace_back();
}

std::uint64_t metrics::total(counter c) const {
    const std::lock_guard lock(mutex_);
    std::uint64_t sum = 0;
    for (const auto& slab : slabs_) sum += slab.get(c);
    return sum;
}

histogram_total metrics::total(histogram h) const {
    const std::lock_guard lock(mutex_);
    histogram_total sum;
    for (const auto& slab : slabs_) {
        const histogram_cells& cells = slab.get(h);
        for (std::size_t i = 0; i < max_histogram_buckets; ++i) sum.counts[i] += cells.count(i);
        sum.sum += cells.sum();
    }
    return sum;
}

} // namespace meshcache
