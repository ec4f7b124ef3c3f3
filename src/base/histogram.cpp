#include <meshcache/base/histogram.hpp>

namespace meshcache {
namespace {

constexpr std::array<histogram_info, histogram_count> table{{
#define MESHCACHE_HISTOGRAM_INFO(id, name, labels, unit, help) {name, labels, histogram_unit::unit, help},
    MESHCACHE_HISTOGRAMS(MESHCACHE_HISTOGRAM_INFO)
#undef MESHCACHE_HISTOGRAM_INFO
}};

constexpr std::array<std::uint64_t, 18> times{
    100,     200,     500,     1'000,     2'000,     5'000,     10'000,     20'000,     50'000,
    100'000, 200'000, 500'000, 1'000'000, 2'000'000, 5'000'000, 10'000'000, 30'000'000, 60'000'000};
constexpr std::array<std::uint64_t, 7> records{1, 2, 4, 8, 16, 32, 64};
constexpr std::array<std::uint64_t, 9> bytes{256,     1'024,     4'096,     16'384,    65'536,
                                             262'144, 1'048'576, 4'194'304, 16'777'216};
static_assert(times.size() < max_histogram_buckets && records.size() < max_histogram_buckets &&
              bytes.size() < max_histogram_buckets);

} // namespace

const histogram_info& describe(histogram h) noexcept { return table[static_cast<std::size_t>(h)]; }

std::span<const std::uint64_t> bounds_of(histogram_unit unit) noexcept {
    switch (unit) {
    case histogram_unit::microseconds:
        return times;
    case histogram_unit::records:
        return records;
    case histogram_unit::bytes:
        return bytes;
    }
    return {};
}

} // namespace meshcache
